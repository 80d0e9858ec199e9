/** Limits that are no options: what our receivers refuse, our senders do not send. */

/** Most frames of a message. */
export const MAX_MESSAGE_FRAMES = 4096

/** Most bytes of a command. */
export const MAX_COMMAND_BYTES = 64 * 1024

/** Most bytes of a topic that fits into a SUBSCRIBE with its name. A CANCEL would have room for three more. */
export const MAX_TOPIC_BYTES: number = MAX_COMMAND_BYTES - '\x09SUBSCRIBE'.length
