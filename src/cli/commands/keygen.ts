/** `zmq-rpc keygen`: a pair of keys, in the form of pyzmq's and czmq's certificates, so that every program can read it. */

import { existsSync, rmSync, writeFileSync } from 'node:fs'
import { curveKeyPair } from '../../index.ts'
import { defineCommand } from '../command-line.ts'
import { EXIT } from '../exit-codes.ts'

export const keygen = defineCommand({
  summary: 'make a pair of keys, for encryption',
  usage: '[NAME]',
  positionals: [0, 1],
  options: {
    force: { type: 'boolean', text: 'write over files that are there' },
  },
  details: [
    'With a name, writes NAME.key (the public key, for everybody) and NAME.key_secret (for nobody else; only you can read it), as pyzmq and czmq do. Without one, writes both keys to stdout.',
    'A server needs a pair, and so does each client that it is to know. Clients need the public key of the server beforehand.',
  ],
  examples: [
    ['zmq-rpc keygen server', 'writes server.key and server.key_secret'],
    ['zmq-rpc call localhost:30000 Greet --server-key server.key --key roof.key_secret', 'uses them'],
  ],
  async run({ options: { force }, positionals: [name] }, session) {
    const { publicKey, secretKey } = curveKeyPair()
    if (name === undefined) {
      if (session.json) await session.data({ publicKey, secretKey })
      else await session.line(`public-key = "${publicKey}"\nsecret-key = "${secretKey}"`)
      return EXIT.done
    }
    const files = { public: `${name}.key`, secret: `${name}.key_secret` }
    for (const file of Object.values(files)) {
      if (force) rmSync(file, { force: true })
      else if (existsSync(file)) throw new Error(`${file} is there already, and nothing was changed: --force writes over it`)
    }
    write(files.secret, certificate('The secret key: for nobody else.', { publicKey, secretKey }), 0o600)
    write(files.public, certificate('The public key: for everybody.', { publicKey }), 0o644)
    if (session.json) await session.data({ publicKey, publicFile: files.public, secretFile: files.secret })
    else await session.line(`${files.public}: the public key, ${publicKey}\n${files.secret}: the secret key; it stays here`)
    return EXIT.done
  },
})

function certificate(comment: string, { publicKey, secretKey }: { publicKey: string; secretKey?: string }): string {
  const secret = secretKey === undefined ? '' : `    secret-key = "${secretKey}"\n`
  return `#   ${comment}\nmetadata\ncurve\n    public-key = "${publicKey}"\n${secret}`
}

/** Never into a file that is there: it would keep its mode. */
function write(file: string, text: string, mode: number): void {
  writeFileSync(file, text, { flag: 'wx', mode })
}
