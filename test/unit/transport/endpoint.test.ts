import { describe, expect, it } from 'vitest'
import { originOf, parseEndpoint, tcpEndpoint } from '../../../src/transport/endpoint.ts'
import { codeOf } from '../../helpers/sockets.ts'

const longest = `/${'p'.repeat(106)}`

describe('an endpoint to bind', () => {
  it.each([
    ['tcp://127.0.0.1:5555', { transport: 'tcp', host: '127.0.0.1', port: 5555 }],
    ['tcp://*:5555', { transport: 'tcp', host: '*', port: 5555 }],
    ['tcp://*:*', { transport: 'tcp', host: '*', port: 0 }],
    ['tcp://127.0.0.1:0', { transport: 'tcp', host: '127.0.0.1', port: 0 }],
    ['tcp://eth0:65535', { transport: 'tcp', host: 'eth0', port: 65535 }],
    ['tcp://[::1]:1', { transport: 'tcp', host: '::1', port: 1 }],
    ['tcp://[fe80::1%eth0]:1', { transport: 'tcp', host: 'fe80::1%eth0', port: 1 }],
    ['tcp://[::]:*', { transport: 'tcp', host: '::', port: 0 }],
    ['ipc:///run/a.sock', { transport: 'ipc', path: '/run/a.sock' }],
    ['ipc://relative', { transport: 'ipc', path: 'relative' }],
    ['ipc://*', { transport: 'ipc', path: '*' }],
    [`ipc://${longest}`, { transport: 'ipc', path: longest }],
    ['inproc://name', { transport: 'inproc', name: 'name' }],
    ['inproc://any thing://at all', { transport: 'inproc', name: 'any thing://at all' }],
  ])('%s', (endpoint, address) => {
    expect(parseEndpoint(endpoint, 'bind')).toEqual(address)
  })
})

describe('an endpoint to connect to', () => {
  it.each([
    ['tcp://example.com:80', { transport: 'tcp', host: 'example.com', port: 80 }],
    ['tcp://[::1]:65535', { transport: 'tcp', host: '::1', port: 65535 }],
    ['ipc:///run/a.sock', { transport: 'ipc', path: '/run/a.sock' }],
    ['inproc://name', { transport: 'inproc', name: 'name' }],
  ])('%s', (endpoint, address) => {
    expect(parseEndpoint(endpoint, 'connect')).toEqual(address)
  })
})

describe('what is no endpoint', () => {
  it.each([
    ['', 'EINVAL'],
    ['5555', 'EINVAL'],
    ['localhost:5555', 'EINVAL'],
    ['tcp:/127.0.0.1:5555', 'EINVAL'],
    ['tcp://', 'EINVAL'],
    ['tcp://127.0.0.1', 'EINVAL'],
    ['tcp://127.0.0.1:', 'EINVAL'],
    ['tcp://:5555', 'EINVAL'],
    ['tcp://127.0.0.1:65536', 'EINVAL'],
    ['tcp://127.0.0.1:99999', 'EINVAL'],
    ['tcp://127.0.0.1:-1', 'EINVAL'],
    ['tcp://127.0.0.1:1e3', 'EINVAL'],
    ['tcp://127.0.0.1:0x50', 'EINVAL'],
    ['tcp://127.0.0.1:5555/path', 'EINVAL'],
    ['tcp://::1:5555', 'EINVAL'],
    ['tcp://[::1]', 'EINVAL'],
    ['tcp://[nonsense]:5555', 'EINVAL'],
    ['ipc://', 'EINVAL'],
    ['ipc://a\0b', 'EINVAL'],
    ['ipc://@abstract', 'EINVAL'],
    [`ipc://${longest}p`, 'ENAMETOOLONG'],
    [`ipc:///${'é'.repeat(54)}`, 'ENAMETOOLONG'],
    ['inproc://', 'EINVAL'],
    ['udp://127.0.0.1:5555', 'EPROTONOSUPPORT'],
    ['http://127.0.0.1:5555', 'EPROTONOSUPPORT'],
  ])('%j, for either use', (endpoint, code) => {
    for (const use of ['bind', 'connect'] as const) expect(refusal(endpoint, use)).toBe(code)
  })

  it.each(['tcp://*:5555', 'tcp://127.0.0.1:0', 'tcp://127.0.0.1:*', 'ipc://*'])('%s, for connecting', (endpoint) => {
    expect(refusal(endpoint, 'connect')).toBe('EINVAL')
  })

  it.each([undefined, null, 5555, {}])('%s, which is no string at all', (endpoint) => {
    expect(refusal(endpoint as never, 'bind')).toBe('EINVAL')
  })

  it('is named by the error', () => {
    expect(() => parseEndpoint('tcp://nowhere', 'bind')).toThrow("'tcp://nowhere'")
  })
})

it('an endpoint as text has brackets around IPv6 only', () => {
  expect([tcpEndpoint('::1', 1), tcpEndpoint('127.0.0.1', 2)]).toEqual(['tcp://[::1]:1', 'tcp://127.0.0.1:2'])
})

function refusal(endpoint: string, use: 'bind' | 'connect'): unknown {
  try {
    parseEndpoint(endpoint, use)
  } catch (error) {
    return codeOf(error)
  }
  return 'accepted'
}

describe('the origin of a connection', () => {
  it.each([
    ['tcp://192.168.1.4:41234', '192.168.1.4'],
    ['tcp://[::ffff:192.168.1.4]:41234', '192.168.1.4'],
    ['tcp://[::1]:41234', '0:0:0:0::/64'],
    ['tcp://[2001:db8:0:7::1]:41234', '2001:db8:0:7::/64'],
    ['tcp://[2001:0db8:0:7:ffff:1:2:3]:41234', '2001:db8:0:7::/64'],
    ['tcp://[2001:db8::9:1]:41234', '2001:db8:0:0::/64'],
    ['tcp://[fe80::1%eth0]:41234', 'fe80:0:0:0::/64'],
    ['tcp://?:0', undefined],
    ['ipc:///run/a.sock', undefined],
    ['', undefined],
  ])('%s is %s', (endpoint, origin) => {
    expect(originOf(endpoint)).toBe(origin)
  })
})
