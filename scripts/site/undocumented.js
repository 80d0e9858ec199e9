/**
 * Public names without a comment: whatever an entry of the package exports, and the members of its classes and interfaces. None is
 * needed by what its name or its place explains: members of an object type that is written in place, what overrides something
 * else, the static properties of a command (`CommandTraits` has them), a class's ways to be disposed of or iterated over.
 */

import { ReflectionKind } from 'typedoc'

const KINDS =
  ReflectionKind.ClassOrInterface |
  ReflectionKind.VariableOrProperty |
  ReflectionKind.FunctionOrMethod |
  ReflectionKind.Accessor |
  ReflectionKind.TypeAlias

/** @param {import('typedoc').ProjectReflection} project @returns {string[]} */
export function undocumented(project) {
  const declared = project.getReflectionsByKind(KINDS).filter((reflection) => reflection.isDeclaration())
  return declared.filter((reflection) => !isClear(reflection) && !hasComment(reflection)).map((one) => one.getFriendlyFullName())
}

/** @param {import('typedoc').DeclarationReflection} reflection */
function isClear(reflection) {
  const { flags, name, overwrites } = reflection
  const isInPlace = reflection.getFullName().includes('__type')
  return isInPlace || flags.isInherited || flags.isStatic || overwrites !== undefined || name.startsWith('[')
}

/** Of a function, a method or an accessor, the signatures have it. @param {import('typedoc').DeclarationReflection} reflection */
function hasComment(reflection) {
  const { signatures = [], getSignature, setSignature } = reflection
  return [reflection, ...signatures, getSignature, setSignature].some((part) => part?.hasComment())
}
