/** What a caller of the pyzmqrpc3 dialect is told whose message went where no answer comes from. */

import { encodeReply, STATUS_TEXT } from '../rpc/dialect/pyzmqrpc3.ts'
import { STATUS } from '../rpc/error/status.ts'

export const DONE = [encodeReply({ status: STATUS.ok, statusText: STATUS_TEXT.ok })]
