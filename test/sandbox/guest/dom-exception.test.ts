import t from 'tap'
import { checkRows, throws } from './rows.ts'

t.test('a DOMException has a name, a message and a code', async (t) => {
  await checkRows(t, [
    ['the defaults', `const e = new DOMException(); return [e.message, e.name, e.code]`, ['', 'Error', 0]],
    ['a message', `new DOMException('why').message`, 'why'],
    [
      'a name with a code',
      `const e = new DOMException('why', 'AbortError'); return [e.name, e.code]`,
      ['AbortError', 20],
    ],
    ['a name without a code', `new DOMException('', 'OperationError').code`, 0],
    [
      'the first and the last code',
      `['IndexSizeError', 'DataCloneError'].map((name) => new DOMException('', name).code)`,
      [1, 25],
    ],
    ['a code that has lost its name', `new DOMException('', 'DOMStringSizeError').code`, 0],
    [
      'undefined is as if it were not there',
      `const e = new DOMException(undefined, undefined); return [e.message, e.name]`,
      ['', 'Error'],
    ],
    ['null is a text', `new DOMException(null).message`, 'null'],
    ['a symbol is none', `new DOMException(Symbol())`, throws('TypeError')],
    ['constants on the class', `[DOMException.INDEX_SIZE_ERR, DOMException.DATA_CLONE_ERR]`, [1, 25]],
    ['constants on the prototype', `new DOMException().TIMEOUT_ERR`, 23],
    ['a constant cannot be changed', `DOMException.ABORT_ERR = 1`, throws('TypeError')],
    ['how many constants there are', `Object.keys(DOMException).filter((key) => key.endsWith('_ERR')).length`, 25],
    ['it is an error', `new DOMException() instanceof Error`, true],
    ['it is one underneath', `Error.isError(new DOMException())`, true],
    ['its prototype is below that of Error', `Object.getPrototypeOf(DOMException.prototype) === Error.prototype`, true],
    ['as a text', `String(new DOMException('why', 'DataError'))`, 'DataError: why'],
    ['its tag', `Object.prototype.toString.call(new DOMException())`, '[object DOMException]'],
    ['a stack', `typeof new DOMException('why').stack`, 'string'],
    ['its stack names it', `new DOMException('why', 'DataError').stack.split('\\n')[0]`, 'DataError: why'],
    [
      'no own name or message',
      `Object.getOwnPropertyNames(new DOMException('why')).filter((key) => key !== 'stack')`,
      [],
    ],
    ['the name cannot be set', `'use strict'; new DOMException().name = 'x'`, throws('TypeError')],
    [
      'the getter wants one',
      `Object.getOwnPropertyDescriptor(DOMException.prototype, 'name').get.call({})`,
      throws('TypeError'),
    ],
    ['it is no function', `DOMException()`, throws('TypeError')],
    [
      'a class below it',
      `class X extends DOMException {}; const x = new X('why', 'DataError'); return [x instanceof X, x.name, x.code]`,
      [true, 'DataError', 0],
    ],
    ['name and length of the class', `[DOMException.name, DOMException.length]`, ['DOMException', 0]],
  ])
})
