/** Makes a pair of keys: `npx tsx keys.ts roof` writes `keys/roof.secret` and `keys/roof.public`, and leaves those alone that are there. */

import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { curveKeyPair } from 'zmq-rpc'

const { values, positionals } = parseArgs({ allowPositionals: true, options: { keys: { type: 'string', default: 'keys' } } })

await mkdir(values.keys, { recursive: true })
for (const name of positionals) {
  const { publicKey, secretKey } = curveKeyPair()
  // 'wx' fails where there is one: who loses a secret key is a stranger to everybody who knows the public one.
  await writeFile(join(values.keys, `${name}.secret`), secretKey, { flag: 'wx', mode: 0o600 })
  await writeFile(join(values.keys, `${name}.public`), publicKey, { flag: 'wx' })
  console.log(`${name} has the public key ${publicKey}`)
}
