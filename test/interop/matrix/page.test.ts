/** docs/interop.md names the versions that are tested. */

import { readFileSync } from 'node:fs'
import { expect, it } from 'vitest'

const read = (path: string): string => readFileSync(new URL(`../../../${path}`, import.meta.url), 'utf8')
const page = read('docs/interop.md')

it.each([
  ['zeromq', 'package.json', /"zeromq": "(.*?)"/, '`zeromq` %'],
  ['pyzmq', 'test/interop/python/requirements.txt', /^pyzmq==(.*)$/m, 'pyzmq %'],
  ['JeroMQ', 'test/interop/peers/jeromq/pom.xml', /<artifactId>jeromq<\/artifactId>\s*<version>(.*?)</, '| JeroMQ | Java | %'],
  ['go-zmq4', 'test/interop/peers/go-zmq4/go.mod', /go-zeromq\/zmq4 v(.*)$/m, '| go-zeromq/zmq4 | Go | %'],
  ['zmq.rs', 'test/interop/peers/zmq-rs/Cargo.toml', /^zeromq = .*?"=(.*?)"/m, '| zmq.rs (`zeromq`) | Rust | %'],
])('docs/interop.md names the version of %s that %s pins', (_name, file, pin, words) => {
  const version = pin.exec(read(file))?.[1]
  expect(version).toMatch(/^\d+\.\d+\.\d+$/)
  expect(page).toContain(words.replace('%', version as string))
})
