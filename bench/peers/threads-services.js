/** Services of `threads.js`, for threads and without. */

import { Command } from 'zmq-rpc'

/** @extends {Command<string>} */
export class Greet extends Command {
  constructor(greeting = '', name = '') {
    super()
    this.greeting = greeting
    this.name = name
  }
}

/** Computes; says what. @extends {Command<number>} */
export class Compute extends Command {
  rounds = 0
}

/** Waits as for a disk. @extends {Command<void>} */
export class Wait extends Command {
  ms = 0
}

/** Comes back. @extends {Command<Uint8Array>} */
export class Binary extends Command {
  bytes = new Uint8Array()
}

/** @type {import('zmq-rpc').RegisterServices} */
export default function register(services) {
  services.register(Greet, ({ greeting, name }) => `${greeting} ${name}`)
  services.register(Compute, ({ rounds }) => {
    let hash = 0
    for (let round = 0; round < rounds; round++) hash = (Math.imul(hash ^ round, 0x9e37_79b1) + 1) | 0
    return hash
  })
  services.register(Wait, ({ ms }) => new Promise((resolve) => setTimeout(resolve, ms)))
  services.register(Binary, ({ bytes }) => bytes)
}
