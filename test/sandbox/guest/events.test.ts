import t from 'tap'
import { checkRows, throws } from './rows.ts'

t.test('an Event says what happened', async (t) => {
  await checkRows(t, [
    ['no type', `new Event()`, throws('TypeError')],
    ['a type is made a text', `new Event(null).type`, 'null'],
    [
      'what it is before it is dispatched',
      `const e = new Event('x'); return [e.target, e.currentTarget, e.eventPhase, e.bubbles, e.cancelable, e.composed, e.defaultPrevented, e.returnValue, e.cancelBubble, e.isTrusted]`,
      [null, null, 0, false, false, false, false, true, false, false],
    ],
    [
      'the init',
      `const e = new Event('x', { bubbles: 1, cancelable: 'yes', composed: {} }); return [e.bubbles, e.cancelable, e.composed]`,
      [true, true, true],
    ],
    ['an init that is null', `new Event('x', null).bubbles`, false],
    ['an init that is no object', `new Event('x', 1)`, throws('TypeError')],
    ['a time', `typeof new Event('x').timeStamp`, 'number'],
    [
      'isTrusted is its own and cannot be changed',
      `const d = Object.getOwnPropertyDescriptor(new Event('x'), 'isTrusted'); return [typeof d.get, d.set, d.enumerable, d.configurable]`,
      ['function', '<undefined>', true, false],
    ],
    ['prevented only if it may be', `const e = new Event('x'); e.preventDefault(); return e.defaultPrevented`, false],
    [
      'prevented',
      `const e = new Event('x', { cancelable: true }); e.preventDefault(); return [e.defaultPrevented, e.returnValue]`,
      [true, false],
    ],
    [
      'returnValue = false prevents',
      `const e = new Event('x', { cancelable: true }); e.returnValue = true; const before = e.defaultPrevented; e.returnValue = false; return [before, e.defaultPrevented]`,
      [false, true],
    ],
    [
      'cancelBubble can only be set',
      `const e = new Event('x'); e.cancelBubble = true; e.cancelBubble = false; return e.cancelBubble`,
      true,
    ],
    [
      'initEvent',
      `const e = new Event('x', { cancelable: true }); e.preventDefault(); e.initEvent('y', true); return [e.type, e.bubbles, e.cancelable, e.defaultPrevented]`,
      ['y', true, false, false],
    ],
    ['constants', `[Event.NONE, Event.CAPTURING_PHASE, Event.AT_TARGET, new Event('x').BUBBLING_PHASE]`, [0, 1, 2, 3]],
    ['no path before it is dispatched', `new Event('x').composedPath()`, []],
    [
      'members are enumerable',
      `Object.keys(Event.prototype).includes('preventDefault') && Object.keys(Event.prototype).includes('type')`,
      true,
    ],
    [
      'a getter wants an event',
      `Object.getOwnPropertyDescriptor(Event.prototype, 'type').get.call({})`,
      throws('TypeError'),
    ],
    ['its tag', `String(new Event('x'))`, '[object Event]'],
    ['CustomEvent carries anything', `const o = {}; return new CustomEvent('x', { detail: o }).detail === o`, true],
    ['or null', `new CustomEvent('x').detail`, null],
    [
      'initCustomEvent',
      `const e = new CustomEvent('x'); e.initCustomEvent('y', true, true, 7); return [e.type, e.bubbles, e.detail]`,
      ['y', true, 7],
    ],
    ['CustomEvent is an Event', `new CustomEvent('x') instanceof Event`, true],
    [
      'ErrorEvent',
      `const e = new ErrorEvent('error', { message: 'm', filename: 'f', lineno: 1, colno: 2, error: 3 }); return [e.message, e.filename, e.lineno, e.colno, e.error]`,
      ['m', 'f', 1, 2, 3],
    ],
    [
      'the defaults of ErrorEvent',
      `const e = new ErrorEvent('error'); return [e.message, e.filename, e.lineno, e.colno, e.error]`,
      ['', '', 0, 0, '<undefined>'],
    ],
    ['PromiseRejectionEvent needs an init', `new PromiseRejectionEvent('x')`, throws('TypeError')],
    ['and a promise', `new PromiseRejectionEvent('x', {})`, throws('TypeError')],
    [
      'PromiseRejectionEvent',
      `const p = Promise.resolve(); const e = new PromiseRejectionEvent('x', { promise: p, reason: 5 }); return [e.promise === p, e.reason]`,
      [true, 5],
    ],
    [
      'MessageEvent',
      `const e = new MessageEvent('message', { data: 1, origin: 'o', lastEventId: 'i' }); return [e.data, e.origin, e.lastEventId, e.source, e.ports]`,
      [1, 'o', 'i', null, []],
    ],
    ['the ports of a MessageEvent are ports', `new MessageEvent('message', { ports: [{}] })`, throws('TypeError')],
    ['its list of ports is frozen', `Object.isFrozen(new MessageEvent('message').ports)`, true],
    [
      'initMessageEvent',
      `const e = new MessageEvent('x'); e.initMessageEvent('y', false, false, 5, 'o', 'l'); return [e.type, e.data, e.origin, e.lastEventId]`,
      ['y', 5, 'o', 'l'],
    ],
  ])
})

const helper = `const target = new EventTarget(); const seen = [];`

t.test('an EventTarget tells its listeners', async (t) => {
  await checkRows(t, [
    [
      'a listener',
      `${helper} target.addEventListener('x', (e) => seen.push(e.type)); target.dispatchEvent(new Event('x')); return seen`,
      ['x'],
    ],
    [
      'of another type',
      `${helper} target.addEventListener('y', () => seen.push(1)); target.dispatchEvent(new Event('x')); return seen`,
      [],
    ],
    [
      'this, target and phase',
      `${helper} target.addEventListener('x', function (e) { seen.push(this === target, e.target === target, e.currentTarget === target, e.srcElement === target, e.eventPhase, e.composedPath()[0] === target) }); target.dispatchEvent(new Event('x')); return seen`,
      [true, true, true, true, 2, true],
    ],
    [
      'afterwards',
      `${helper} const e = new Event('x'); target.dispatchEvent(e); return [e.target === target, e.currentTarget, e.eventPhase, e.composedPath()]`,
      [true, null, 0, []],
    ],
    [
      'the order is that of adding',
      `${helper} for (const n of [1, 2, 3]) target.addEventListener('x', () => seen.push(n)); target.dispatchEvent(new Event('x')); return seen`,
      [1, 2, 3],
    ],
    [
      'capturing listeners come first',
      `${helper} target.addEventListener('x', () => seen.push('b')); target.addEventListener('x', () => seen.push('c'), true); target.dispatchEvent(new Event('x')); return seen`,
      ['c', 'b'],
    ],
    [
      'the same listener counts once',
      `${helper} const f = () => seen.push(1); target.addEventListener('x', f); target.addEventListener('x', f, { once: true }); target.dispatchEvent(new Event('x')); target.dispatchEvent(new Event('x')); return seen`,
      [1, 1],
    ],
    [
      'unless one captures',
      `${helper} const f = () => seen.push(1); target.addEventListener('x', f); target.addEventListener('x', f, true); target.dispatchEvent(new Event('x')); return seen`,
      [1, 1],
    ],
    [
      'once',
      `${helper} target.addEventListener('x', () => seen.push(1), { once: true }); target.dispatchEvent(new Event('x')); target.dispatchEvent(new Event('x')); return seen`,
      [1],
    ],
    [
      'a once listener may dispatch again',
      `${helper} target.addEventListener('x', () => { seen.push(1); target.dispatchEvent(new Event('x')) }, { once: true }); target.dispatchEvent(new Event('x')); return seen`,
      [1],
    ],
    [
      'a removed one is not called',
      `${helper} const f = () => seen.push(1); target.addEventListener('x', f); target.removeEventListener('x', f); target.dispatchEvent(new Event('x')); return seen`,
      [],
    ],
    [
      'removing wants the same phase',
      `${helper} const f = () => seen.push(1); target.addEventListener('x', f, true); target.removeEventListener('x', f); target.dispatchEvent(new Event('x')); return seen`,
      [1],
    ],
    [
      'one removed meanwhile is not called',
      `${helper} const f = () => seen.push('f'); target.addEventListener('x', () => target.removeEventListener('x', f)); target.addEventListener('x', f); target.dispatchEvent(new Event('x')); return seen`,
      [],
    ],
    [
      'one added meanwhile waits',
      `${helper} target.addEventListener('x', () => target.addEventListener('x', () => seen.push(1))); target.dispatchEvent(new Event('x')); return seen`,
      [],
    ],
    [
      'an object with handleEvent',
      `${helper} const o = { handleEvent(e) { seen.push(this === o, e.type) } }; target.addEventListener('x', o); target.dispatchEvent(new Event('x')); return seen`,
      [true, 'x'],
    ],
    [
      'handleEvent is looked up each time',
      `${helper} const o = {}; target.addEventListener('x', o); o.handleEvent = () => seen.push(1); target.dispatchEvent(new Event('x')); return seen`,
      [1],
    ],
    [
      'null is no listener and no error',
      `${helper} target.addEventListener('x', null); target.removeEventListener('x', undefined); return target.dispatchEvent(new Event('x'))`,
      true,
    ],
    ['a text is an error', `new EventTarget().addEventListener('x', 'f')`, throws('TypeError')],
    ['too few arguments', `new EventTarget().addEventListener('x')`, throws('TypeError')],
    [
      'stopImmediatePropagation',
      `${helper} target.addEventListener('x', (e) => { seen.push(1); e.stopImmediatePropagation() }); target.addEventListener('x', () => seen.push(2)); target.dispatchEvent(new Event('x')); return seen`,
      [1],
    ],
    [
      'stopPropagation lets the others of the phase run',
      `${helper} target.addEventListener('x', (e) => { seen.push(1); e.stopPropagation() }, true); target.addEventListener('x', () => seen.push(2), true); target.addEventListener('x', () => seen.push(3)); target.dispatchEvent(new Event('x')); return seen`,
      [1, 2],
    ],
    [
      'stopped before it is dispatched',
      `${helper} target.addEventListener('x', () => seen.push(1)); const e = new Event('x'); e.stopPropagation(); target.dispatchEvent(e); target.dispatchEvent(e); return seen`,
      [1],
    ],
    [
      'what dispatching answers',
      `${helper} target.addEventListener('x', (e) => e.preventDefault()); return [target.dispatchEvent(new Event('x')), target.dispatchEvent(new Event('x', { cancelable: true }))]`,
      [true, false],
    ],
    [
      'a passive listener prevents nothing',
      `${helper} target.addEventListener('x', (e) => e.preventDefault(), { passive: true }); return target.dispatchEvent(new Event('x', { cancelable: true }))`,
      true,
    ],
    [
      'dispatching while it is dispatched',
      `${helper} let name; target.addEventListener('x', (e) => { try { target.dispatchEvent(e) } catch (error) { name = error.name } }); target.dispatchEvent(new Event('x')); return name`,
      'InvalidStateError',
    ],
    [
      'dispatching again later',
      `${helper} const e = new Event('x'); target.addEventListener('x', () => seen.push(1)); target.dispatchEvent(e); target.dispatchEvent(e); return seen`,
      [1, 1],
    ],
    ['what is no event', `new EventTarget().dispatchEvent({ type: 'x' })`, throws('TypeError')],
    [
      'what only looks like one',
      `new EventTarget().dispatchEvent(Object.create(Event.prototype))`,
      throws('TypeError'),
    ],
    [
      'the site does not make trusted events',
      `${helper} target.addEventListener('x', (e) => seen.push(e.isTrusted)); target.dispatchEvent(new Event('x')); return seen`,
      [false],
    ],
    [
      'a listener that throws stops nothing',
      `${helper} target.addEventListener('x', () => { throw new Error('one') }); target.addEventListener('x', () => seen.push(2)); target.dispatchEvent(new Event('x')); return seen`,
      [2],
    ],
    [
      'a signal ends a listener',
      `${helper} const c = new AbortController(); target.addEventListener('x', () => seen.push(1), { signal: c.signal }); target.dispatchEvent(new Event('x')); c.abort(); target.dispatchEvent(new Event('x')); return seen`,
      [1],
    ],
    [
      'an aborted signal adds none',
      `${helper} target.addEventListener('x', () => seen.push(1), { signal: AbortSignal.abort() }); target.dispatchEvent(new Event('x')); return seen`,
      [],
    ],
    ['a signal that is none', `new EventTarget().addEventListener('x', () => {}, { signal: {} })`, throws('TypeError')],
    ['a null signal', `new EventTarget().addEventListener('x', () => {}, { signal: null })`, throws('TypeError')],
    [
      'a class below it',
      `class T extends EventTarget {}; let n = 0; const target = new T(); target.addEventListener('x', () => n++); target.dispatchEvent(new Event('x')); return n`,
      1,
    ],
    [
      'a patched Array.prototype changes nothing',
      `${helper} const { push, slice, indexOf } = Array.prototype; target.addEventListener('x', () => { seen[seen.length] = 1 }); Array.prototype.push = Array.prototype.slice = Array.prototype.indexOf = () => { throw new Error('patched') }; try { target.addEventListener('x', () => { seen[seen.length] = 2 }); target.dispatchEvent(new Event('x')) } finally { Object.assign(Array.prototype, { push, slice, indexOf }) } return seen`,
      [1, 2],
    ],
  ])
})
