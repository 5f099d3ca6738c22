import t from 'tap'
import { checkRows, throws } from './rows.ts'

const wait = `const wait = (ms) => new Promise((resolve) => setTimeout(resolve, ms));`

t.test('ports send messages to one another', async (t) => {
  await checkRows(t, [
    [
      'a message',
      `const { port1, port2 } = new MessageChannel(); port1.postMessage({ a: [1] }); return await new Promise((resolve) => { port2.onmessage = (e) => resolve([e.data, e.type, e.isTrusted, e instanceof MessageEvent, e.target === port2, e.ports.length]) })`,
      [{ a: [1] }, 'message', true, true, true, 0],
    ],
    [
      'in order',
      `const { port1, port2 } = new MessageChannel(); const seen = []; for (const n of [1, 2, 3]) port1.postMessage(n); return await new Promise((resolve) => { port2.onmessage = (e) => { seen.push(e.data); if (e.data === 3) resolve(seen) } })`,
      [1, 2, 3],
    ],
    [
      'not at once',
      `${wait} const { port1, port2 } = new MessageChannel(); let seen = 0; port2.onmessage = () => seen++; port1.postMessage(1); const before = seen; await null; const micro = seen; await wait(10); return [before, micro, seen]`,
      [0, 0, 1],
    ],
    [
      'both ways',
      `const { port1, port2 } = new MessageChannel(); port2.onmessage = (e) => port2.postMessage(e.data + 1); port1.postMessage(1); return await new Promise((resolve) => { port1.onmessage = (e) => resolve(e.data) })`,
      2,
    ],
    [
      'a listener needs start',
      `${wait} const { port1, port2 } = new MessageChannel(); let seen = 0; port2.addEventListener('message', () => seen++); port1.postMessage(1); await wait(5); const before = seen; port2.start(); await wait(10); return [before, seen]`,
      [0, 1],
    ],
    [
      'closed',
      `${wait} const { port1, port2 } = new MessageChannel(); let seen = 0; port2.onmessage = () => seen++; port1.close(); port1.postMessage(1); await wait(5); return seen`,
      0,
    ],
    ['what cannot be cloned', `new MessageChannel().port1.postMessage(() => {})`, throws('DataCloneError')],
    ['no argument', `new MessageChannel().port1.postMessage()`, throws('TypeError')],
    [
      'a transferred buffer',
      `const { port1, port2 } = new MessageChannel(); const b = new Uint8Array([7]).buffer; port1.postMessage(b, [b]); const got = await new Promise((resolve) => { port2.onmessage = (e) => resolve(new Uint8Array(e.data)[0]) }); return [b.detached, got]`,
      [true, 7],
    ],
    [
      'in the other form',
      `const { port1 } = new MessageChannel(); const b = new ArrayBuffer(1); port1.postMessage(b, { transfer: [b] }); return b.detached`,
      true,
    ],
    [
      'a port through a port',
      `const a = new MessageChannel(); const b = new MessageChannel(); a.port1.postMessage('take', [b.port2]); const port = await new Promise((resolve) => { a.port2.onmessage = (e) => resolve(e.ports[0]) }); b.port1.postMessage('hello'); return await new Promise((resolve) => { port.onmessage = (e) => resolve(e.data) })`,
      'hello',
    ],
    [
      'messages wait for the port that is moved',
      `const a = new MessageChannel(); const b = new MessageChannel(); b.port1.postMessage('early'); a.port1.postMessage(null, [b.port2]); const port = await new Promise((resolve) => { a.port2.onmessage = (e) => resolve(e.ports[0]) }); return await new Promise((resolve) => { port.onmessage = (e) => resolve(e.data) })`,
      'early',
    ],
    [
      'a port cannot send itself',
      `const { port1 } = new MessageChannel(); port1.postMessage(1, [port1])`,
      throws('DataCloneError'),
    ],
    ['a port has no constructor', `new MessagePort()`, throws('TypeError')],
    [
      'the same ports each time',
      `const c = new MessageChannel(); return [c.port1 === c.port1, c.port1 !== c.port2]`,
      [true, true],
    ],
    [
      'a flood is bounded',
      `const { port1 } = new MessageChannel(); for (let i = 0; i < 5000; i++) port1.postMessage(i); return 'done'`,
      'done',
    ],
  ])
})
