import t from 'tap'
import { endCode, endOf, isKill } from '../../../sandbox/supervisor/process-end.ts'

const killed = { code: null, signal: 'SIGKILL', errors: '', ranOutOfMemory: false } as const
const words = (value: unknown) => `noise\ngrove-end ${JSON.stringify(value)}\n`

t.test('why a process ended is read from how it ended and what it said', (t) => {
  for (const [what, own, reason, detail] of [
    [
      'its own thread, for CPU',
      { errors: words({ reason: 'cpu', value: 400, limit: 100 }) },
      'cpu',
      /400 ms, at most 100/,
    ],
    ['its own thread, for memory', { errors: words({ reason: 'memory', value: 9, limit: 5 }) }, 'memory', /9 bytes/],
    ['the kernel', { ranOutOfMemory: true }, 'memory', /control group/],
    ['V8', { signal: 'SIGABRT', errors: 'FATAL ERROR: heap limit Allocation failed' }, 'memory', /heap/],
    ['somebody', {}, 'crashed', /SIGKILL/],
    ['itself', { signal: null, code: 3 }, 'crashed', /code 3/],
    ['itself, without a fault', { signal: null, code: 0 }, 'crashed', /code 0/],
    ['words that are none', { errors: 'grove-end {' }, 'crashed', /SIGKILL/],
    ['words of another kind', { errors: words({ reason: 'love', value: 1, limit: 1 }) }, 'crashed', /SIGKILL/],
    ['words with less than nothing', { errors: words({ reason: 'cpu', value: -1, limit: 1 }) }, 'crashed', /SIGKILL/],
    [
      'words, and then an end of another kind',
      { errors: words({ reason: 'cpu', value: 1, limit: 1 }), signal: 'SIGSEGV' },
      'crashed',
      /SIGSEGV/,
    ],
  ] as const) {
    const end = endOf({ ...killed, ...own })
    t.equal(end.reason, reason, what)
    t.match(end.detail, detail, what)
    t.ok(isKill(end))
  }
  t.end()
})

t.test('ends in order are no kills', (t) => {
  for (const reason of ['idle', 'drained', 'stopped'] as const) {
    t.notOk(isKill({ reason, detail: '' }))
    t.equal(endCode({ reason, detail: '' }), 'killed')
  }
  for (const reason of ['silent', 'protocol'] as const) t.equal(endCode({ reason, detail: '' }), 'killed')
  for (const reason of ['cpu', 'memory', 'wall', 'crashed'] as const) t.equal(endCode({ reason, detail: '' }), reason)
  t.end()
})
