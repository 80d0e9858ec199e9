/** The services of `commands.ts`, for threads. */

import type { RegisterServices, RpcServer, ServicesModuleOptions } from '../../../src/index.ts'
import { KNOWN, serveAll } from './commands.ts'

export const options: ServicesModuleOptions = { commands: KNOWN }

const register: RegisterServices = (services) => {
  serveAll(services as RpcServer)
}

export default register
