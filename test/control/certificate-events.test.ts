import { mock } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { pino } from 'pino'
import t from 'tap'
import type { Certificate } from '../../certs/certificate.ts'
import type { CertificateState } from '../../certs/managed.ts'
import { certificateEvents } from '../../control/certificate-events.ts'
import { GroveError } from '../../core/errors.ts'
import { limits } from '../../core/limits.ts'
import type { CertificateEvent, Plugin } from '../../core/plugin.ts'

const state: CertificateState = {
  names: ['shop.example'],
  state: 'valid',
  tries: 0,
  issuer: 'https://ca.example/directory',
  notAfterMs: 5,
}
const certificate = {} as Certificate

function setUp(...plugins: Plugin[]) {
  const lines: { msg: string; plugin: string }[] = []
  const log = pino({ level: 'info' }, { write: (line: string) => void lines.push(JSON.parse(line)) })
  return { lines, events: certificateEvents({ plugins: () => plugins, log }) }
}

t.test('plugins that want to know are told what happened, and nothing of keys', async (t) => {
  const told: CertificateEvent[] = []
  const watcher: Plugin = { name: 'watcher', certificate: async (event) => void told.push(event) }
  const { lines, events } = setUp({ name: 'other' }, watcher)
  const common = { names: ['shop.example'], issuer: 'https://ca.example/directory', notAfterMs: 5 }
  events.obtained?.(state, certificate)
  events.renewed?.(state, certificate)
  events.failed?.({ ...state, nextTryAtMs: 7 }, new GroveError('ERR_ACME', 'rate limited'))
  events.expiresSoon?.(state)
  events.revoked?.(state)
  t.strictSame(told, [
    { kind: 'obtained', ...common },
    { kind: 'renewed', ...common },
    { kind: 'failed', ...common, error: { code: 'ERR_ACME', message: 'rate limited' }, nextTryAtMs: 7 },
    { kind: 'expires-soon', ...common },
    { kind: 'revoked', ...common },
  ])
  t.same(lines, [])
})

t.test('one that throws is logged, and the next one is told all the same', async (t) => {
  let told = 0
  const fails: Plugin = {
    name: 'fails',
    certificate() {
      throw new Error('no mail server')
    },
  }
  const { lines, events } = setUp(fails, { name: 'works', certificate: async () => void ++told })
  events.obtained?.(state, certificate)
  await turn()
  t.equal(told, 1)
  t.match(lines, [{ plugin: 'fails', msg: 'a plugin failed on a certificate' }])
})

t.test('one that hangs is given up, and is not told of more than it can have under way', async (t) => {
  mock.timers.enable({ apis: ['setTimeout'] })
  t.teardown(() => mock.timers.reset())
  const hanging: (() => void)[] = []
  const { lines, events } = setUp({
    name: 'hangs',
    certificate: () => new Promise((resolve) => void hanging.push(resolve)),
  })
  const { certificateCalls, certificateTimeoutMs } = limits.plugin
  for (let count = 0; count <= certificateCalls; count += 1) events.obtained?.(state, certificate)
  t.equal(hanging.length, certificateCalls)
  t.match(lines, [{ msg: /is not told of a certificate/ }])
  mock.timers.tick(certificateTimeoutMs)
  await turn()
  t.equal(lines.length, 1 + certificateCalls, 'each is logged')
  events.obtained?.(state, certificate)
  t.equal(hanging.length, certificateCalls, 'what was given up is still under way')
  for (const end of hanging.splice(0)) end()
  await turn()
  events.obtained?.(state, certificate)
  t.equal(hanging.length, 1, 'and is told again once that has ended')
  hanging[0]?.()
})
