/** Why a module of `zmq-rpc serve` cannot be loaded: in whose file it is, and on which line. */

import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { basename } from 'node:path'
import { fileURLToPath } from 'node:url'
import { wordsOf } from './failure.ts'
import type { Session } from './session.ts'
import { UsageError } from './usage-error.ts'

/** `module`: as it was given; `url`: what was imported. */
export async function whyNotLoaded(module: string, url: string, error: NodeJS.ErrnoException, session: Session): Promise<Error> {
  if (error.code === 'ERR_MODULE_NOT_FOUND' && error.message.includes(`'${fileURLToPath(url)}'`))
    return new UsageError(`there is no file ${module}`)
  if (error.code === 'ERR_UNKNOWN_FILE_EXTENSION') {
    const how = `with tsx installed, NODE_OPTIONS='--import tsx' zmq-rpc serve ${module} does`
    return new UsageError(`Node ${process.versions.node} cannot read ${module}: TypeScript needs Node 22.18 or newer; ${how}`)
  }
  const shown = error instanceof SyntaxError ? await placeOf(error, url, session.signal) : error.stack
  // It is the user's own code: where it went wrong, he wants to know.
  if (!session.json && shown !== undefined) session.note(session.paintNote.dim(shown))
  const [, file, line] = (error instanceof SyntaxError && /^(file:\S+):(\d+)$/m.exec(shown ?? '')) || []
  const where = file === undefined ? '' : `, in ${fileURLToPath(file)}:${line}`
  return new Error(`${module} could not be loaded: ${wordsOf(error)}${where}${whatWasMeant(error)}`, { cause: error })
}

/**
 * Where it cannot be read. Of what Node could not parse it tells the place only to whom the error ends: so another one is to import it. That
 * carries nothing out, since all that is imported is parsed before anything runs; what does run has a place of its own in the stack.
 */
async function placeOf({ stack = '' }: SyntaxError, url: string, signal: AbortSignal): Promise<string> {
  if (stack.includes('file:')) return stack
  const args = [...process.execArgv, '--input-type=module', '--eval', `import ${JSON.stringify(url)}`]
  const told = await new Promise<string>((resolve) => {
    execFile(process.execPath, args, { signal, timeout: 10_000 }, (_error, _stdout, stderr) => resolve(stderr))
  })
  // Behind it stands how Node came there.
  const [excerpt = ''] = told.split('\n    at ')
  return excerpt.startsWith('file:') ? excerpt.replace(/\n{2,}/g, '\n') : stack
}

/** Node finds files by their whole names only, unlike bundlers. */
function whatWasMeant(error: NodeJS.ErrnoException): string {
  const { url } = error as { readonly url?: unknown }
  if (error.code !== 'ERR_MODULE_NOT_FOUND' && error.code !== 'ERR_UNSUPPORTED_DIR_IMPORT') return ''
  if (typeof url !== 'string' || !url.startsWith('file:')) return ''
  const path = fileURLToPath(url)
  const meant = ['.js', '.mjs', '.cjs', '.ts', '/index.js'].find((end) => existsSync(path + end))
  return meant === undefined ? '' : `; did you mean to import ${basename(path)}${meant}? Node wants the whole name`
}
