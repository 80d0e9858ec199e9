/** What is wrong with what was carried out, given what was accepted. Lines are `client epoch number`; of the log also `server`, where one started, and `again …`. */

/** Commands of a lane that a proxy has on the way, unless its options say otherwise: so many may have been carried out, and not answered on disk. */
const PIPELINE = 64

/** @param {readonly string[]} accepted @param {readonly string[]} log @returns {string[]} */
export function faultsOf(accepted, log) {
  const faults = []
  /** @type {Map<string, number>} */
  const places = new Map()
  for (const [place, line] of log.entries()) {
    if (line === 'server') continue
    if (line.startsWith('again ')) faults.push(...wrongAgain(line.slice('again '.length), places, log))
    else if (places.has(line)) faults.push(`carried out twice: ${line}`)
    else places.set(line, place)
  }
  /** @type {Map<string, string[]>} */
  const byClient = new Map()
  for (const line of accepted) {
    if (!places.has(line)) faults.push(`lost: ${line}`)
    const [client = ''] = line.split(' ')
    byClient.set(client, [...(byClient.get(client) ?? []), line])
  }
  for (const lines of byClient.values()) {
    const inOrder = lines.filter((line) => places.has(line)).sort(byNumber)
    for (const [index, line] of inOrder.entries()) {
      const next = inOrder[index + 1]
      if (next !== undefined && Number(places.get(next)) < Number(places.get(line))) faults.push(`out of order: ${next} before ${line}`)
    }
  }
  return faults
}

/** It may come again only if the server that carried it out was killed before it had answered. @param {string} line @param {Map<string, number>} places @param {readonly string[]} log */
function wrongAgain(line, places, log) {
  const place = places.get(line)
  if (place === undefined) return [`again, and not carried out before: ${line}`]
  const end = log.indexOf('server', place)
  if (end < 0) return [`again from a server that was not killed: ${line}`]
  const [client] = line.split(' ')
  const behind = log.slice(place + 1, end).filter((other) => other.startsWith(`${client} `)).length
  return behind < PIPELINE ? [] : [`again, though ${behind} behind it were carried out before the server was killed: ${line}`]
}

/** @param {string} one @param {string} other */
function byNumber(one, other) {
  const [, oneEpoch, oneNumber] = one.split(' ').map(Number)
  const [, otherEpoch, otherNumber] = other.split(' ').map(Number)
  return Number(oneEpoch) - Number(otherEpoch) || Number(oneNumber) - Number(otherNumber)
}
