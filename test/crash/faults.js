/** What is wrong with what was carried out, given what was accepted. Lines are `client epoch number`. */

/** @param {readonly string[]} accepted @param {readonly string[]} carriedOut @returns {string[]} */
export function faultsOf(accepted, carriedOut) {
  const faults = []
  const places = new Map()
  for (const [place, line] of carriedOut.entries()) {
    if (places.has(line)) faults.push(`carried out twice: ${line}`)
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
      if (next !== undefined && places.get(next) < places.get(line)) faults.push(`out of order: ${next} before ${line}`)
    }
  }
  return faults
}

/** @param {string} one @param {string} other */
function byNumber(one, other) {
  const [, oneEpoch, oneNumber] = one.split(' ').map(Number)
  const [, otherEpoch, otherNumber] = other.split(' ').map(Number)
  return Number(oneEpoch) - Number(otherEpoch) || Number(oneNumber) - Number(otherNumber)
}
