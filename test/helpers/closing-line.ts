/** The last lines of every test run: which peers were missing and why, then `N passed, N failed, N skipped`. */

import type { Reporter, TestModule } from 'vitest/node'
import { missingPeers } from './peers.ts'

export class ClosingLine implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], unhandledErrors: readonly unknown[]): void {
    const counts = { passed: 0, failed: unhandledErrors.length, skipped: 0 }
    for (const module of modules) {
      for (const test of module.children.allTests()) {
        const { state } = test.result()
        counts[state === 'pending' ? 'skipped' : state] += 1
      }
      // A file that cannot be loaded and a hook that fails have no failed test of their own.
      for (const group of [module, ...module.children.allSuites()]) counts.failed += group.errors().length
    }
    for (const { name, why } of missingPeers()) console.log(`peer ${name} skipped: ${why}`)
    console.log(`${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped`)
  }
}
