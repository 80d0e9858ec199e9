import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'

/** An empty folder for the test that runs, gone after its last clean-up. */
export function temporaryFolder(): string {
  const path = mkdtempSync(join(tmpdir(), 'zmq-rpc-'))
  onTestFinished(() => rmSync(path, { recursive: true, force: true }))
  return path
}
