import t from 'tap'
import { checkRows, throws } from './rows.ts'

t.test('performance tells and keeps times', async (t) => {
  await checkRows(t, [
    [
      'now and the origin',
      `[performance.now() >= 0, Math.abs(performance.timeOrigin + performance.now() - Date.now()) < 60000]`,
      [true, true],
    ],
    ['as JSON', `performance.toJSON().timeOrigin === performance.timeOrigin`, true],
    [
      'it is an event target without a constructor',
      `performance instanceof EventTarget && new Performance()`,
      throws('TypeError'),
    ],
    ['now wants one', `performance.now.call({})`, throws('TypeError')],
    [
      'a mark',
      `const m = performance.mark('m1', { startTime: 5, detail: { a: 1 } }); return [m.name, m.entryType, m.startTime, m.duration, m.detail, m instanceof PerformanceMark, m instanceof PerformanceEntry]`,
      ['m1', 'mark', 5, 0, { a: 1 }, true, true],
    ],
    ['a mark now', `performance.mark('m2').startTime === performance.now()`, true],
    ['a mark before the origin', `performance.mark('m3', { startTime: -1 })`, throws('TypeError')],
    ['a mark without a name', `performance.mark()`, throws('TypeError')],
    ['a detail that cannot be cloned', `performance.mark('m', { detail: () => {} })`, throws('DataCloneError')],
    [
      'a measure between marks',
      `performance.mark('a', { startTime: 2 }); performance.mark('b', { startTime: 7 }); const m = performance.measure('ab', 'a', 'b'); return [m.startTime, m.duration, m.entryType, m.detail, m instanceof PerformanceMeasure]`,
      [2, 5, 'measure', null, true],
    ],
    [
      'a measure of options',
      `[performance.measure('x', { start: 1, end: 4 }).duration, performance.measure('x', { start: 1, duration: 4 }).startTime, performance.measure('x', { end: 9, duration: 4 }).startTime]`,
      [3, 1, 5],
    ],
    ['a measure from the origin', `performance.measure('x', undefined, 'b').startTime`, 0],
    ['a mark that is not there', `performance.measure('x', 'nowhere')`, throws('SyntaxError')],
    ['too many options', `performance.measure('x', { start: 1, end: 2, duration: 3 })`, throws('TypeError')],
    ['options and an end', `performance.measure('x', { start: 1 }, 'b')`, throws('TypeError')],
    [
      'entries',
      `performance.clearMarks(); performance.clearMeasures(); performance.mark('z', { startTime: 9 }); performance.mark('y', { startTime: 1 }); performance.measure('w', 'y', 'z'); return [performance.getEntries().map((e) => e.name), performance.getEntriesByType('mark').length, performance.getEntriesByName('z').length, performance.getEntriesByName('z', 'measure').length]`,
      [['y', 'w', 'z'], 2, 1, 0],
    ],
    [
      'cleared by name',
      `performance.clearMarks(); performance.clearMeasures(); performance.mark('z'); performance.mark('y'); performance.clearMarks('z'); return performance.getEntries().map((e) => e.name)`,
      ['y'],
    ],
    [
      'an entry as JSON',
      `performance.mark('q', { startTime: 3 }).toJSON()`,
      { name: 'q', entryType: 'mark', startTime: 3, duration: 0 },
    ],
    [
      'entries are bounded',
      `performance.clearMarks(); for (let i = 0; i < 3000; i++) performance.mark('m' + i); return performance.getEntries().length <= 1000`,
      true,
    ],
    ['a mark of its own', `new PerformanceMark('x', { startTime: 4 }).startTime`, 4],
    ['entries have no constructor', `new PerformanceEntry()`, throws('TypeError')],
    ['navigator', `[navigator.userAgent, Object.keys(Navigator.prototype)]`, ['Grove', ['userAgent']]],
    ['navigator has no constructor', `new Navigator()`, throws('TypeError')],
  ])
})
