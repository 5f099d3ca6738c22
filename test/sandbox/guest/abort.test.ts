import t from 'tap'
import { checkRows, throws } from './rows.ts'

const wait = `const wait = (ms) => new Promise((resolve) => setTimeout(resolve, ms));`

t.test('an AbortController aborts its signal', async (t) => {
  await checkRows(t, [
    [
      'before',
      `const { signal } = new AbortController(); return [signal.aborted, signal.reason, signal instanceof AbortSignal, signal instanceof EventTarget]`,
      [false, '<undefined>', true, true],
    ],
    ['the same signal each time', `const c = new AbortController(); return c.signal === c.signal`, true],
    [
      'aborted',
      `const c = new AbortController(); c.abort(); return [c.signal.aborted, c.signal.reason.name, c.signal.reason instanceof DOMException]`,
      [true, 'AbortError', true],
    ],
    ['a reason', `const c = new AbortController(); c.abort(7); return c.signal.reason`, 7],
    [
      'null is a reason, undefined is none',
      `const a = new AbortController(); a.abort(null); const b = new AbortController(); b.abort(undefined); return [a.signal.reason, b.signal.reason.name]`,
      [null, 'AbortError'],
    ],
    ['the first reason counts', `const c = new AbortController(); c.abort(1); c.abort(2); return c.signal.reason`, 1],
    [
      'an event, once',
      `const c = new AbortController(); const seen = []; c.signal.addEventListener('abort', (e) => seen.push(e.type, e.isTrusted, e.bubbles, e.target === c.signal)); c.abort(); c.abort(); return seen`,
      ['abort', true, false, true],
    ],
    ['onabort', `const c = new AbortController(); let n = 0; c.signal.onabort = () => n++; c.abort(); return n`, 1],
    [
      'onabort can be taken back',
      `const c = new AbortController(); let n = 0; c.signal.onabort = () => n++; c.signal.onabort = null; c.abort(); return [n, c.signal.onabort]`,
      [0, null],
    ],
    [
      'onabort keeps its place when replaced',
      `const c = new AbortController(); const seen = []; c.signal.onabort = () => seen.push('old'); c.signal.addEventListener('abort', () => seen.push('listener')); c.signal.onabort = () => seen.push('new'); c.abort(); return seen`,
      ['new', 'listener'],
    ],
    [
      'onabort takes objects only',
      `const c = new AbortController(); c.signal.onabort = 5; return c.signal.onabort`,
      null,
    ],
    [
      'throwIfAborted',
      `const c = new AbortController(); c.signal.throwIfAborted(); c.abort(new RangeError('r')); c.signal.throwIfAborted()`,
      throws('RangeError'),
    ],
    ['a signal has no constructor', `new AbortSignal()`, throws('TypeError')],
    [
      'the getter wants a signal',
      `Object.getOwnPropertyDescriptor(AbortSignal.prototype, 'aborted').get.call(new EventTarget())`,
      throws('TypeError'),
    ],
    ['the signal cannot be replaced', `'use strict'; new AbortController().signal = 1`, throws('TypeError')],
  ])
})

t.test('signals are made in other ways', async (t) => {
  await checkRows(t, [
    ['abort()', `const s = AbortSignal.abort(); return [s.aborted, s.reason.name]`, [true, 'AbortError']],
    ['abort() with a reason', `AbortSignal.abort('r').reason`, 'r'],
    [
      'timeout()',
      `${wait} const s = AbortSignal.timeout(5); const before = s.aborted; await wait(20); return [before, s.aborted, s.reason.name]`,
      [false, true, 'TimeoutError'],
    ],
    [
      'timeout() tells listeners',
      `const s = AbortSignal.timeout(1); return await new Promise((resolve) => s.addEventListener('abort', (e) => resolve(e.type)))`,
      'abort',
    ],
    ['a timeout that is negative', `AbortSignal.timeout(-1)`, throws('TypeError')],
    ['a timeout that is no number', `AbortSignal.timeout('x')`, throws('TypeError')],
    ['a timeout that is infinite', `AbortSignal.timeout(Infinity)`, throws('TypeError')],
    ['any() of none', `AbortSignal.any([]).aborted`, false],
    ['any() of what is no signal', `AbortSignal.any([{}])`, throws('TypeError')],
    ['any() of what is not iterable', `AbortSignal.any(5)`, throws('TypeError')],
    ['any() takes any iterable', `AbortSignal.any(new Set([AbortSignal.abort(1)])).reason`, 1],
    [
      'any() of one that is aborted',
      `const c = new AbortController(); const s = AbortSignal.any([c.signal, AbortSignal.abort('r')]); return [s.aborted, s.reason]`,
      [true, 'r'],
    ],
    [
      'any() follows',
      `const a = new AbortController(); const b = new AbortController(); const s = AbortSignal.any([a.signal, b.signal]); b.abort('b'); a.abort('a'); return [s.aborted, s.reason]`,
      [true, 'b'],
    ],
    [
      'any() of any()',
      `const c = new AbortController(); const s = AbortSignal.any([AbortSignal.any([c.signal])]); let n = 0; s.onabort = () => n++; c.abort(1); return [s.reason, n]`,
      [1, 1],
    ],
    [
      'a source that comes twice counts once',
      `const c = new AbortController(); const s = AbortSignal.any([c.signal, c.signal, AbortSignal.any([c.signal])]); let n = 0; s.onabort = () => n++; c.abort(); return n`,
      1,
    ],
    [
      'all have their state before any listener runs',
      `const c = new AbortController(); const s = AbortSignal.any([c.signal]); let seen; c.signal.onabort = () => { seen = s.aborted }; c.abort(); return seen`,
      true,
    ],
    [
      'sources are told first',
      `const c = new AbortController(); const seen = []; const s = AbortSignal.any([c.signal]); s.onabort = () => seen.push('any'); c.signal.onabort = () => seen.push('source'); c.abort(); return seen`,
      ['source', 'any'],
    ],
    [
      'the reason is the same object',
      `const c = new AbortController(); const s = AbortSignal.any([c.signal]); c.abort(); return s.reason === c.signal.reason`,
      true,
    ],
  ])
})
