import t from 'tap'
import { limits } from '../../../core/limits.ts'
import { handleOf, narrow } from '../../../store/grants/handle.ts'
import { knownHandles } from '../../../store/logs/known-handles.ts'
import type { Handle } from '../../../store/store.ts'

const keysOf = (byte: number) => ({
  stored: [{ kid: '1', key: new Uint8Array(32).fill(byte), madeAtMs: 0 }],
  process: new Uint8Array(32).fill(9),
})

t.test('a handle says the same each time, and what is none is none each time', (t) => {
  const keys = keysOf(1)
  const open = knownHandles(keys)
  const handle = narrow(handleOf('a'.repeat(22), keys), { path: '/a' })
  const first = open(handle)
  t.same(first, { id: 'a'.repeat(22), caveats: [{ path: '/a' }] })
  t.equal(open(handle), first, 'remembered')
  const altered = `${handle.slice(0, -1)}${handle.endsWith('A') ? 'E' : 'A'}` as Handle
  for (const bad of [
    altered,
    handleOf('a'.repeat(22), keysOf(2)),
    '',
    'x'.repeat(limits.store.handleChars + 1),
    5,
    undefined,
  ])
    for (let time = 0; time < 2; time += 1) t.equal(open(bad as Handle), undefined)
  t.end()
})

t.test('so many are remembered, and all are opened', (t) => {
  const keys = keysOf(1)
  const open = knownHandles(keys)
  const ids = Array.from({ length: limits.store.handlesKnown + 10 }, (_, index) => String(index).padStart(22, '0'))
  for (const id of ids) if (open(handleOf(id, keys))?.id !== id) t.fail(id)
  const handle = handleOf(ids[0] ?? '', keys)
  t.equal(open(handle), open(handle), 'also those that were forgotten')
  t.end()
})
