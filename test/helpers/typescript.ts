/** What runs TypeScript in a thread: Node itself where it can, else tsx. */

/** Options of Node. */
export const TYPESCRIPT: readonly string[] =
  'typescript' in process.features && process.features.typescript ? [] : ['--import', new URL('./register-tsx.js', import.meta.url).href]
