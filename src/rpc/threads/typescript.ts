/** TypeScript in a thread. Node reads it by itself from 22.18 on; where tsx runs the program, it does not follow into threads of Node 20. */

import { createRequire } from 'node:module'
import { pathToFileURL } from 'node:url'

/** Of tsx's package.json. */
interface TsxManifest {
  readonly exports: { readonly './esm/api': { readonly import: { readonly default: string } } }
}

/** To be called before a module is imported. Where TypeScript cannot be had it does nothing: the import says what is wrong. */
export async function prepareTypeScript(address: string): Promise<void> {
  if (!process.version.startsWith('v20.') || !/\.[cm]?tsx?$/.test(address)) return
  const loader = process.execArgv.find((argument) => /(^|[/\\])tsx([/\\]|$)/.test(argument))
  if (loader === undefined) return
  try {
    // `--import tsx` means the one that the module would find. What `require` would find of it does not work in threads.
    const require = createRequire(loader === 'tsx' ? address : loader)
    const manifest = require.resolve('tsx/package.json')
    const { exports } = require(manifest) as TsxManifest
    const { register } = (await import(new URL(exports['./esm/api'].import.default, pathToFileURL(manifest)).href)) as { register(): void }
    register()
  } catch {
    // As if it were not there.
  }
}
