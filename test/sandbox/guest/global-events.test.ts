import t from 'tap'
import { loadSite } from './isolate.ts'
import { checkRows, throws } from './rows.ts'

const inIsolate = { node: false }

t.test('the global is an event target', async (t) => {
  await checkRows(
    t,
    [
      [
        'events at it',
        `let seen; const f = function (e) { seen = [this === globalThis, e.target === globalThis, e.type] }; addEventListener('x', f); dispatchEvent(new Event('x')); removeEventListener('x', f); return seen`,
        [true, true, 'x'],
      ],
      [
        'called as a method',
        `let n = 0; self.addEventListener('y', () => n++, { once: true }); globalThis.dispatchEvent(new Event('y')); return n`,
        1,
      ],
      ['lengths', `[addEventListener.length, dispatchEvent.length]`, [2, 1]],
      ['handlers are null', `[onerror, onunhandledrejection, onrejectionhandled]`, [null, null, null]],
      ['what is no object is null', `onerror = 5; return onerror`, null],
      [
        'reportError tells listeners',
        `const seen = []; addEventListener('error', (e) => { seen.push(e instanceof ErrorEvent, e.message, e.error.name, e.cancelable, e.isTrusted); e.preventDefault() }, { once: true }); reportError(new TypeError('why')); return seen`,
        [true, 'why', 'TypeError', true, true],
      ],
      [
        'onerror has five arguments',
        `let seen; onerror = (...args) => { seen = [args.length, args[0], args[4].message]; return true }; reportError(new Error('why')); onerror = null; return seen`,
        [5, 'why', 'why'],
      ],
      [
        'the place of the error is told',
        `let place; onerror = (_m, file, line, column) => { place = [file, line > 0, column > 0]; return true }; reportError(new Error('why')); onerror = null; return place`,
        ['grove:site', true, true],
      ],
      ['reportError wants one', `reportError()`, throws('TypeError')],
    ],
    inIsolate,
  )
})

t.test('what nobody caught comes into the log', async (t) => {
  const site = await loadSite(`var groveSite = { default: { async fetch(request) {
    const { pathname } = new URL(request.url)
    if (pathname === '/report') reportError(new RangeError('reported'))
    if (pathname === '/listener') {
      const target = new EventTarget()
      target.addEventListener('x', () => { throw new TypeError('from a listener') })
      target.dispatchEvent(new Event('x'))
    }
    if (pathname === '/timer') {
      setTimeout(() => { throw new TypeError('from a timer') }, 1)
      await new Promise((resolve) => setTimeout(resolve, 5))
    }
    if (pathname === '/microtask') queueMicrotask(() => { throw new TypeError('from a microtask') })
    if (pathname === '/handled') {
      onerror = () => true
      reportError(new Error('handled'))
      onerror = null
    }
    if (pathname === '/twice') {
      onerror = () => { throw new Error('from the handler') }
      reportError(new Error('first'))
      onerror = null
    }
    if (pathname === '/primitive') reportError('only a text')
    await null
    return new Response('')
  } } }`)
  const reported = async (path: string) => {
    site.reports.length = 0
    await site.ask(`https://a.example${path}`)
    return site.reports.map(({ name, message }) => `${name}: ${message}`)
  }
  t.strictSame(await reported('/report'), ['RangeError: reported'])
  t.strictSame(await reported('/listener'), ['TypeError: from a listener'])
  t.strictSame(await reported('/timer'), ['TypeError: from a timer'])
  t.strictSame(await reported('/microtask'), ['TypeError: from a microtask'])
  t.strictSame(await reported('/handled'), [])
  t.strictSame(await reported('/twice'), ['Error: from the handler', 'Error: first'])
  t.strictSame(await reported('/primitive'), ['Error: thrown: only a text'])
  site.isolate.dispose()
})
