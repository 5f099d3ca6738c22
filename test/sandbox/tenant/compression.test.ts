import { gunzipSync, gzipSync } from 'node:zlib'
import t from 'tap'
import { defaultSandboxLimits, type SandboxLimits } from '../../../core/sandbox-limits.ts'
import { deliveries, faults, pulled } from '../../../sandbox/bridge.ts'
import { createCompression } from '../../../sandbox/tenant/compression.ts'

interface Outcome {
  readonly bytes: Buffer
  readonly broken: string | undefined
  readonly overs: number
  readonly chargedMs: number
}

/** Sends bytes through, as a guest does that takes everything. */
async function through(args: object, bytes: Uint8Array, limits: Partial<SandboxLimits> = {}): Promise<Outcome> {
  const pieces: Uint8Array[] = []
  let overs = 0
  let chargedMs = 0
  let broken: string | undefined
  let isOver = false
  let wake = () => {}
  const compression = createCompression(
    JSON.stringify(args),
    { ...defaultSandboxLimits, ...limits },
    {
      tell(kind, payload) {
        if (kind === deliveries.chunk) pieces.push(payload as Uint8Array)
        if (kind === deliveries.ended) isOver = true
        if (kind === deliveries.broken) broken = String(payload)
        wake()
      },
      over: () => {
        overs++
      },
      charge: (ms) => {
        chargedMs += ms
      },
    },
  )
  if (!compression) throw new Error('no compression')
  const { incoming, outgoing } = compression
  let at = 0
  let isEnded = false
  for (;;) {
    while (at < bytes.length && outgoing.room > 0 && !outgoing.isOver) {
      outgoing.send(bytes.slice(at, at + 50_000))
      at += 50_000
    }
    if (at >= bytes.length && !isEnded) {
      isEnded = true
      outgoing.end()
    }
    const piece = incoming.pull()
    if (piece instanceof Uint8Array) pieces.push(piece)
    else if (piece === pulled.ended || piece === faults.closed) break
    else
      await new Promise<void>((resolve) => {
        wake = resolve
      })
    if (broken !== undefined || isOver) break
  }
  return { bytes: Buffer.concat(pieces), broken, overs, chargedMs }
}

const content = Buffer.from('all the same '.repeat(100_000))

for (const format of ['gzip', 'deflate', 'deflate-raw', 'br'])
  t.test(`${format}: what is compressed comes back`, async (t) => {
    const packed = await through({ format, direction: 'compress' }, content)
    t.ok(packed.bytes.length < content.length / 10)
    t.equal(packed.overs, 1)
    t.ok(packed.chargedMs > 10, 'it costs what it costs')
    const unpacked = await through({ format, direction: 'decompress' }, packed.bytes)
    t.ok(unpacked.bytes.equals(content))
    t.ok(unpacked.chargedMs > 1)
  })

t.test('what others can read, and what they wrote', async (t) => {
  t.ok(gunzipSync((await through({ format: 'gzip', direction: 'compress' }, content)).bytes).equals(content))
  t.ok((await through({ format: 'gzip', direction: 'decompress' }, gzipSync(content))).bytes.equals(content))
})

t.test('a bomb ends at the bound, and says which it was', async (t) => {
  const bomb = gzipSync(Buffer.alloc(20_000_000))
  const { broken, bytes } = await through({ format: 'gzip', direction: 'decompress' }, bomb, {
    decompressedBytes: 1_000_000,
  })
  t.match(broken, /more than 1000000 bytes \(decompressedBytes\)/)
  t.ok(bytes.length <= 1_000_000)
})

for (const [name, bytes] of [
  ['nonsense', Buffer.from('no gzip at all')],
  ['a torn end', gzipSync(content).subarray(0, 100)],
  ['more after the end', Buffer.concat([gzipSync(content), Buffer.from('x')])],
] as const)
  t.test(`${name} is a TypeError`, async (t) => {
    t.match(await through({ format: 'gzip', direction: 'decompress' }, bytes), { broken: /"name":"TypeError"/ })
  })

for (const args of [
  '{',
  '{}',
  'null',
  '{"format":"lzma","direction":"compress"}',
  '{"format":"gzip","direction":"__proto__"}',
])
  t.test(`there is no compression for ${args}`, (t) => {
    t.equal(createCompression(args, defaultSandboxLimits, { tell() {}, over() {}, charge() {} }), undefined)
    t.end()
  })
