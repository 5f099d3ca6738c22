import t from 'tap'
import { enter, limits } from '../../../sandbox/guest/host.ts'
import { forgetRequest, openRequest } from '../../../sandbox/guest/operations.ts'
import { cancelTimer, forgetTimers, passTimers, setInterval, setTimer, tick } from '../../../sandbox/guest/timers.ts'
import { loadSite } from './isolate.ts'
import { nodeHost, requestId } from './node-host.ts'
import { checkRows, throws } from './rows.ts'

const wait = `const wait = (ms) => new Promise((resolve) => setTimeout(resolve, ms));`

t.test('timers run when they are due', async (t) => {
  await checkRows(t, [
    ['setTimeout', `await new Promise((resolve) => setTimeout(() => resolve(1), 1))`, 1],
    ['arguments', `await new Promise((resolve) => setTimeout((...args) => resolve(args), 1, 'a', 2))`, ['a', 2]],
    ['no wait', `await new Promise((resolve) => setTimeout(resolve))`, '<undefined>'],
    ['a wait that is negative', `await new Promise((resolve) => setTimeout(() => resolve('x'), -5))`, 'x'],
    ['a wait that is no number', `await new Promise((resolve) => setTimeout(() => resolve('x'), 'soon'))`, 'x'],
    [
      'in the order of their times',
      `${wait} const seen = []; setTimeout(() => seen.push(2), 8); setTimeout(() => seen.push(1), 2); await wait(30); return seen`,
      [1, 2],
    ],
    [
      'at the same time, in the order they were set',
      `${wait} const seen = []; for (const n of [1, 2, 3]) setTimeout(() => seen.push(n), 3); await wait(20); return seen`,
      [1, 2, 3],
    ],
    ['clearTimeout', `${wait} let n = 0; clearTimeout(setTimeout(() => n++, 1)); await wait(10); return n`, 0],
    [
      'clearInterval clears both',
      `${wait} let n = 0; clearInterval(setTimeout(() => n++, 1)); await wait(10); return n`,
      0,
    ],
    ['clearing what is not there', `clearTimeout(12345); clearTimeout(); clearTimeout(null); return 1`, 1],
    [
      'numbers are positive and differ',
      `const a = setTimeout(() => {}, 1); const b = setInterval(() => {}, 1); clearInterval(b); return [a > 0, b > a]`,
      [true, true],
    ],
    [
      'setInterval',
      `let n = 0; return await new Promise((resolve) => { const id = setInterval(() => { if (++n === 3) { clearInterval(id); resolve(n) } }, 1) })`,
      3,
    ],
    [
      'an interval that clears itself stops',
      `${wait} let n = 0; const id = setInterval(() => { n++; clearInterval(id) }, 1); await wait(20); return n`,
      1,
    ],
    [
      'microtasks run between two timers',
      `${wait} const seen = []; setTimeout(() => { seen.push('a'); Promise.resolve().then(() => seen.push('micro')).then(() => seen.push('after')) }, 2); setTimeout(() => seen.push('b'), 2); await wait(20); return seen`,
      ['a', 'micro', 'after', 'b'],
    ],
    [
      'a callback that throws does not end an interval',
      `let n = 0; return await new Promise((resolve) => { const id = setInterval(() => { if (++n === 2) { clearInterval(id); resolve(n) } throw new Error('x') }, 1) })`,
      2,
    ],
    ['a text is not compiled', `setTimeout('1')`, throws('TypeError')],
    ['no argument', `setTimeout()`, throws('TypeError')],
    [
      'this is the global',
      `await new Promise((resolve) => setTimeout(function () { resolve(this === globalThis) }, 1))`,
      true,
    ],
    [
      'names and lengths',
      `[setTimeout, setInterval, clearTimeout, clearInterval, queueMicrotask].map((f) => [f.name, f.length])`,
      [
        ['setTimeout', 1],
        ['setInterval', 1],
        ['clearTimeout', 0],
        ['clearInterval', 0],
        ['queueMicrotask', 1],
      ],
    ],
    [
      'queueMicrotask',
      `const seen = []; queueMicrotask(() => seen.push('micro')); seen.push('now'); await null; return seen`,
      ['now', 'micro'],
    ],
    [
      'queueMicrotask gives no arguments',
      `await new Promise((resolve) => queueMicrotask((...args) => resolve(args.length)))`,
      0,
    ],
    ['queueMicrotask wants a function', `queueMicrotask({})`, throws('TypeError')],
    [
      'a patched then changes nothing',
      `const { then } = Promise.prototype; const seen = []; Promise.prototype.then = function () { throw new Error('patched') }; try { queueMicrotask(() => seen.push(1)) } finally { Promise.prototype.then = then } await null; return seen`,
      [1],
    ],
  ])
})

t.test('the clock stands still within an entry', async (t) => {
  await checkRows(
    t,
    [
      ['Date.now', `const from = Date.now(); for (let i = 0; i < 3e6; i++); return Date.now() - from`, 0],
      ['new Date', `const from = +new Date(); for (let i = 0; i < 3e6; i++); return new Date() - from`, 0],
      [
        'performance.now',
        `const from = performance.now(); for (let i = 0; i < 3e6; i++); return performance.now() - from`,
        0,
      ],
      [
        'it goes on between entries',
        `const from = Date.now(); const p = performance.now(); await new Promise((resolve) => setTimeout(resolve, 5)); return [Date.now() - from >= 5, performance.now() - p >= 5]`,
        [true, true],
      ],
      [
        'it is whole milliseconds',
        `[Number.isInteger(Date.now()), Number.isInteger(performance.now()), Number.isInteger(performance.timeOrigin)]`,
        [true, true, true],
      ],
      [
        'Intl takes the same present',
        `const f = new Intl.DateTimeFormat('en', { dateStyle: 'full', timeStyle: 'full', timeZone: 'UTC' }); return [f.format() === f.format(Date.now()), f.format === f.format, JSON.stringify(f.formatToParts()) === JSON.stringify(f.formatToParts(Date.now()))]`,
        [true, true, true],
      ],
      [
        'Intl formats other dates',
        `new Intl.DateTimeFormat('en', { dateStyle: 'short', timeZone: 'UTC' }).format(0)`,
        '1/1/70',
      ],
      [
        'Temporal takes the same present',
        `typeof Temporal === 'undefined' || (Temporal.Now.instant().epochMilliseconds === Date.now() && Temporal.Now.instant().epochNanoseconds % 1000000n === 0n && Temporal.Now.zonedDateTimeISO('UTC').epochMilliseconds === Date.now() && String(Temporal.Now.plainDateISO('UTC')) === new Date().toISOString().slice(0, 10) && String(Temporal.Now.plainDateTimeISO('UTC')).startsWith(new Date().toISOString().slice(0, 19)) && new Date().toISOString().includes(String(Temporal.Now.plainTimeISO('UTC')).slice(0, 8)))`,
        true,
      ],
      [
        'Date is as it was otherwise',
        `const d = new Date(2020, 1, 3, 4, 5, 6, 7); return [d.getFullYear(), d.getMonth(), d.getMilliseconds(), Date.UTC(1970, 0, 2), Date.parse('1970-01-01T00:00:01Z'), Date.length, Date.name, d instanceof Date, d.constructor === Date, typeof Date()]`,
        [2020, 1, 7, 86_400_000, 1000, 7, 'Date', true, true, 'string'],
      ],
      [
        'a class below Date',
        `class D extends Date { x() { return this.getTime() } }; return [new D(5).x(), new D(5) instanceof D, new D().x() === Date.now()]`,
        [5, true, true],
      ],
      ['the native constructor is not to be had', `new (new Date(0).constructor)().getTime() === Date.now()`, true],
    ],
    { node: false },
  )
})

t.test('timers of a request are bounded and end with it', async (t) => {
  nodeHost.runsTimers = false
  t.teardown(() => {
    nodeHost.runsTimers = true
    forgetTimers(requestId)
  })
  const ids = Array.from({ length: limits.timers }, (_, index) => setTimer(() => {}, 1_000 + index))
  t.throws(() => setTimer(() => {}, 1), { name: 'QuotaExceededError' })
  const first = nodeHost.dueMs
  cancelTimer(ids[0] ?? 0)
  t.equal(nodeHost.dueMs, first + 1, 'the host is told when the first timer changes')
  cancelTimer(ids[9] ?? 0)
  t.equal(nodeHost.dueMs, first + 1)
  let ran = 0
  setTimer(() => ran++, 0)
  setTimer(() => ran++, 0)
  tick(requestId, 0)
  t.equal(ran, 0, 'nothing is due at that time')
  tick(requestId, Date.now() + 10)
  t.equal(ran, 1, 'one timer runs in an entry')
  forgetTimers(requestId)
  tick(requestId, Date.now() + 10_000)
  t.equal(ran, 1)
  tick(99, Date.now())
  cancelTimer(ids[5] ?? 0)
})

t.test('timers of a request that is over go to another, once', async (t) => {
  nodeHost.runsTimers = false
  const receiver = { owner: requestId, receive: () => {} }
  const [first, second, third] = [requestId, requestId + 1, requestId + 2]
  for (const id of [first, second]) openRequest(id, receiver)
  t.teardown(() => {
    nodeHost.runsTimers = true
    for (const id of [first, second, third]) {
      forgetRequest(id)
      forgetTimers(id)
    }
  })
  enter(first)
  const seen: string[] = []
  setTimer(() => seen.push('once'), 5)
  setInterval(() => seen.push('interval'), 5)
  const cleared = setTimer(() => seen.push('cleared'), 5)
  passTimers(first)
  forgetTimers(first)
  cancelTimer(cleared)
  const later = Date.now() + 1_000
  tick(first, later)
  t.strictSame(seen, [])
  tick(second, later)
  tick(second, later)
  t.strictSame(seen, ['once'])

  enter(second)
  setTimer(() => setTimer(() => seen.push('set by one that was passed'), 1), 1)
  openRequest(third, receiver)
  passTimers(second)
  forgetRequest(second)
  enter(third)
  tick(third, later)
  openRequest(first, receiver)
  passTimers(third)
  forgetTimers(third)
  tick(first, later)
  t.strictSame(seen, ['once'], 'what has been passed is not passed on')
})

t.test('no timer is set while the code loads', async (t) => {
  const site = await loadSite(`
    let thrown
    try { setTimeout(() => {}, 1) } catch (error) { thrown = error }
    var groveSite = { default: { fetch: () => new Response(thrown.name) } }`)
  t.match(await site.ask('https://a.example/'), { body: 'NotAllowedError' })
  site.isolate.dispose()
})

t.test('the 257th timer of a request is refused', async (t) => {
  const site = await loadSite(
    `var groveSite = { default: { fetch() {
      let set = 0
      try { for (;;) { setTimeout(() => {}, 60_000); set++ } } catch (error) { return new Response(set + ' ' + error.name) }
    } } }`,
    { limits: { timers: 256 } },
  )
  t.match(await site.ask('https://a.example/'), { body: '256 QuotaExceededError' })
  t.match(
    await site.ask('https://a.example/'),
    { body: '256 QuotaExceededError' },
    'those of a request that is over are gone',
  )
  site.isolate.dispose()
})
