/** A Python client calls a Python server and ours, and sees the same: results, and exceptions to the letter. */

import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { useEnds } from './ends.ts'
import { type Outcome, type PythonObject, PythonProcess, python } from './python-process.ts'

const ends = useEnds()

/** Commands as Python expressions. */
const CALLS = {
  values: [
    ...['None', 'True', 'False', '0', '-1', '1.5', '-0.0', '1e-7', '1e16', '1e22', '5e-324', '1.7976931348623157e308'],
    ...['float("nan")', 'float("inf")', '-float("inf")', '2**53 - 1', '2**53', '2**53 + 1', '-2**53 - 1', '2**64', '-10**100', '10**4299'],
    ...['""', '"text"', '"\\0\\x1f\\x7f"', '"\\"\\\\/\\b\\f\\n\\r\\t"', '"é漢字😀\\u2028"', '"\\ud800"', '"a\\udfffb"', '"\\udc00\\ud800"'],
    ...['"x" * 2**20', '"é" * 2**20', '[]', '{}', '[[], {}, [{}]]', '[None, True, 1, 1.5, "a", [2], {"b": 3}]', '(1, (2, 3))'],
    ...[
      '{"": 0}',
      '{"__proto__": 1}',
      '{"__proto__": {"value": 1}, "constructor": {"prototype": 2}}',
      '{"toString": 1, "hasOwnProperty": 2}',
    ],
    ...['{"b": 1, "a": 2}', '{None: 1, True: 2, 1.5: 3}', '{"value": {"value": {"value": 1}}}', '{"\\ud800": "\\udbff"}'],
    ...['nested(100)', 'nested(500)', '[float("nan"), 2**80, {"x": -float("inf")}]', 'list(range(5000))'],
  ].map((value) => `Echo(${value})`),
  'results that are nothing': ['Nothing()', 'Remember(1)'],
  'commands within commands': [
    'Describe(Echo(1))',
    'Describe([Echo(1), Echo([Echo(2), {"x": Echo(None)}])])',
    'Describe({"a": {"b": Raise("no")}, "c": [Orphan(1), Picky(2)]})',
    'Describe(Describe(Describe(Describe(4))))',
    'Describe({"__proto__": Echo(1)})',
  ],
  'what a service raises': [
    '"no"',
    '""',
    '"  spaces  "',
    '"two\\nlines"',
    '"é漢字😀"',
    '"\\ud800"',
    '"{}%s {0} %(a)s"',
    '"x" * 100000',
  ].map((text) => `Raise(${text})`),
  'what has no service': ['Orphan()', 'Orphan(1)'],
  'states that their class refuses': ['Picky(-1)', 'Picky(1)', 'Describe([Picky(-1)])', 'Describe(Echo(Picky(-1)))'],
  'commands that the server does not know, within others': [
    'Describe(stranger())',
    'Describe([{"a": stranger(1)}])',
    'Echo(Echo(stranger()))',
  ],
}

/** Messages as Python expressions. */
const MESSAGES = {
  'that are no base64 of zlib': [
    ...['""', '" "', '"!!!!"', '"abc"', '"abcd"', '"eJ"', '"eJx"', '"é"', '"x" * 100000', '\'{"_icmd_": ["Echo", {"value": 1}]}\''],
    ...['zipped("[1]")[:-4]', 'zipped("[1]" * 100)[:40]', 'zipped("[1]").swapcase()'],
    'base64.b64encode(b"not zlib").decode()',
    'base64.b64encode(zlib.compress(b"[1]")[:-1] + b"x").decode()',
    'base64.b64encode(zlib.compress(b"[1]")[2:-4]).decode()',
  ],
  'that are written in another way than usual': [
    ...['zipped(\'{"_icmd_": ["Echo", {"value": 1}]}\')', 'zipped(\' \\n{"_icmd_":["Echo",{"value":1}]}\\t\')'],
    'zipped(b\'\\xef\\xbb\\xbf{"_icmd_": ["Echo", {"value": 1}]}\')',
    'zipped(\'{"_icmd_": ["Echo", {"value": "é😀"}]}\')',
    '"\\n" + zipped(\'{"_icmd_": ["Echo", {"value": 1}]}\')[:8] + " \\r\\n!" + zipped(\'{"_icmd_": ["Echo", {"value": 1}]}\')[8:]',
    ...[0, 1, 6, 9].map((level) => `base64.b64encode(zlib.compress(b'{"_icmd_": ["Echo", {"value": 1}]}', ${level})).decode()`),
    'base64.b64encode(zlib.compress(b\'{"_icmd_": ["Echo", {"value": 1}]}\') + b"more").decode()',
  ],
  'of zlib, but no JSON': [
    ...['', ' ', '{', '[1,]', '{"a": 1,}', 'nope', "{'a': 1}", '[1] 2', '01', '.5', '+1', '"\\x41"', '"a', 'nan', '-NaN', 'Infinit', 'tru'],
  ]
    .map((text) => `zipped(${JSON.stringify(text)})`)
    .concat(
      'zipped(b"\\"\\xff\\"")',
      'zipped(b"\\"\\xc3\\"")',
      'zipped("\\"a\\nb\\"")',
      'zipped("1" * 4301)',
      'zipped("[" * 100000)',
      'zipped("[" * 3000 + "]" * 3000)',
    ),
  'of JSON that is no command': [
    ...['[]', '[1, 2]', '{}', '{"a": 1}', '"text"', '12', '-1', '1.5', '1e3', '123456789012345678901234567890', 'true', 'false', 'null'],
    ...['NaN', '-Infinity', '{"__proto__": {"_icmd_": ["Echo", {"value": 1}]}}', '[{"_icmd_": ["Echo", {"value": 1}]}]'],
    '{"a": {"_icmd_": ["Echo", {"value": 1}]}}',
  ].map((text) => `zipped('${text}')`),
  'of commands that are wrong in shape': [
    ...[
      '1',
      'null',
      '[]',
      '["Echo"]',
      '["Echo", {"value": 1}, 3]',
      '[1, {"value": 1}]',
      '[null, null]',
      '[["Echo"], {"value": 1}]',
      '"ab"',
      '{"a": 1, "b": 2}',
    ],
    ...['["Echo", null]', '["Echo", 1]', '["Echo", []]', '["Echo", {}]', '["Echo", {"valu": 1}]', '["Echo", "value"]'],
    ...[
      '["Describe", {"value": {"_icmd_": 1}}]',
      '["Describe", {"value": [{"_icmd_": ["Nowhere", {}]}]}]',
      '["Describe", {"value": {"_icmd_": ["__proto__", {}]}}]',
    ],
    '["Describe", {"value": {"_icmd_": ["constructor", {"value": 1}]}}]',
  ].map((command) => `zipped('{"_icmd_": ${command}}')`),
  'of commands with more than there has to be': [
    'zipped(\'{"_icmd_": ["Echo", {"value": 1, "more": 2, "__proto__": {"value": 3}}]}\')',
    'zipped(\'{"_icmd_": ["Echo", {"value": 1, "value": 2}]}\')',
    'zipped(\'{"first": 1, "_icmd_": ["Echo", {"value": 1}], "last": [2]}\')',
    'zipped(\'{"_icmd_": ["Nowhere", {}], "_icmd_": ["Echo", {"value": 1}]}\')',
  ],
}

const BOMB = 'zipped(b"[" + b" " * 80_000_000 + b"1]")'

describe.skipIf(!python.available)('a Python client sees the same of our server as of its own', () => {
  it.each(Object.entries(CALLS))('for %s', async (_name, commands) => {
    await compare(commands, (client, command) => client.execute(command))
  })

  it.each(Object.entries(MESSAGES))('for messages %s', async (_name, messages) => {
    await compare(messages, (client, message) => client.send(message))
  })

  it('except that a command of an unknown class is 451 here, as one without a service is', async () => {
    const { theirs, ours } = await clients()
    for (const [command, name] of [
      ['stranger()', 'Stranger'],
      ['stranger(Echo(1))', 'Stranger'],
    ] as const) {
      expect((await theirs.execute(command)).error).toBe(
        'Incorrectly marshalled command. Incoming message is no proper json formatted string. Exception: Could not interpret the unzipped contents',
      )
      expect((await ours.execute(command)).error).toBe(`No service on the server is registered for command "${name}".`)
    }
    for (const name of ['__proto__', 'constructor', 'toString', '', 'Command', 'é']) {
      const message = `zipped('{"_icmd_": ["${name}", {}]}')`
      expect((await theirs.send(message)).error).toMatch(/Could not interpret the unzipped contents$/)
      expect((await ours.send(message)).error).toBe(`No service on the server is registered for command "${name}".`)
    }
  })

  it('except that JavaScript has one kind of number, and puts keys that are indices first', async () => {
    const { ours } = await clients()
    expect(await ours.execute('Echo([1.0, -5.0, 1e15])')).toMatchObject({ shown: '([1, -5, 1000000000000000],)' })
    expect(await ours.execute('Echo({"b": 1, "7": 2})')).toMatchObject({ shown: "({'7': 2, 'b': 1},)" })
  })

  it('except that base64 may lack its padding here', async () => {
    const { theirs, ours } = await clients()
    const padded = `next(text for text in (zipped('{"_icmd_": ["Echo", {"value": "padded"}]}' + ' ' * more) for more in range(9)) if text[-1] == '=')`
    const message = `${padded}.rstrip('=')`
    expect((await theirs.send(message)).error).toMatch(/Could not decode\/unzip the contents$/)
    expect(await ours.send(message)).toMatchObject({ value: ['padded'] })
  })

  it('except that a zlib bomb is not unpacked here', async () => {
    const { theirs, ours } = await clients()
    expect((await theirs.send(BOMB)).value).toBeUndefined()
    const { error } = await ours.send(BOMB)
    expect(error).toBe(
      'Incorrectly marshalled command. Incoming message is no proper json formatted string. Exception: Could not decode/unzip the contents',
    )
    expect(await ours.execute('Echo(1)')).toMatchObject({ value: [1] })
  })

  it('except that a result that cannot be written is an answer here, and a server that is stuck for good there', async () => {
    const { ours } = await clients()
    const { error } = await ours.execute('Unwritable()')
    expect(error).toMatch(/^Exception raised when calling service UnwritableService\. Exception: .*which JSON cannot hold /)
    expect(await ours.execute('Echo(1)')).toMatchObject({ value: [1] })
  })

  it('except that a heartbeat is answered here, and a server that is stuck for good there', async () => {
    const { ours } = await clients()
    expect(await ours.send('"zmq_sub_heartbeat"')).toMatchObject({ value: [null] })
    expect(await ours.call('send_heartbeat')).toMatchObject({ value: null })
    expect(await ours.execute('Echo(1)')).toMatchObject({ value: [1] })
  })

  // A class that a client's process defines is known in all of that process: the Python server has its own.
  let callers: PythonProcess
  beforeAll(() => {
    callers = new PythonProcess()
  })
  afterAll(() => callers.close())

  async function clients(): Promise<{ theirs: PythonObject; ours: PythonObject }> {
    const [theirs, ours] = await Promise.all([ends.python.server(), ends.server()])
    return { theirs: await callers.client(theirs.endpoint), ours: await callers.client(ours.endpoint) }
  }

  async function compare(requests: readonly string[], run: (client: PythonObject, request: string) => Promise<Outcome>): Promise<void> {
    const { theirs, ours } = await clients()
    const differences: object[] = []
    for (const request of requests) {
      const [expected, actual] = await Promise.all([run(theirs, request), run(ours, request)])
      if (expected.shown !== actual.shown)
        differences.push({ request, theirs: expected.shown.slice(0, 300), ours: actual.shown.slice(0, 300) })
    }
    expect(differences).toEqual([])
    expect(await ours.execute('Echo("the server lives on")')).toMatchObject({ value: ['the server lives on'] })
  }
})

describe.skipIf(!python.available)('a bare REQ socket of libzmq', () => {
  it.each([
    ['two frames', [Buffer.from('eJ'), Buffer.from('eJ')]],
    ['bytes that are no UTF-8', [Buffer.from([0xff, 0xfe, 0x00, 0x80])]],
    ['an empty frame', [Buffer.alloc(0)]],
    ['empty frames', [Buffer.alloc(0), Buffer.alloc(0), Buffer.alloc(0)]],
    ['a thousand frames', Array.from({ length: 1000 }, () => Buffer.from('frame'))],
    ['a heartbeat with a second frame', [Buffer.from('zmq_sub_heartbeat'), Buffer.alloc(0)]],
  ])('gets status 400 for %s, which a Python server would not live through or not answer', async (_name, frames) => {
    const { endpoint } = await ends.server()
    const reply = await ends.python.raw(endpoint, frames)
    expect(reply).toHaveLength(1)
    expect(JSON.parse(reply[0] as string)).toEqual({
      status_code: 400,
      status_message: expect.stringMatching(/^Incorrectly marshalled command.*Could not decode\/unzip the contents$/),
    })
    const client = await ends.python.client(endpoint)
    expect(await client.execute('Echo(1)')).toMatchObject({ value: [1] })
  })

  it('gets 200 for a heartbeat, and for an answer without a result nothing but that', async () => {
    const { endpoint } = await ends.server()
    expect(await ends.python.raw(endpoint, [Buffer.from('zmq_sub_heartbeat')])).toEqual(['{"status_code": 200, "status_message": "OK"}'])
  })
})
