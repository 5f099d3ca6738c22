import t, { type Test } from 'tap'
import type { CodeTools } from '../../control/code-tools.ts'
import type { CompiledCode } from '../../control/site-code.ts'
import { codeFiles } from '../../core/code-manifest.ts'
import { GroveError } from '../../core/errors.ts'
import { ask } from './fixtures/ask.ts'
import { filesOf, hashOf, newOpId, publishOver } from './fixtures/contents.ts'
import { runControl } from './fixtures/running-control.ts'
import { shortFolder } from './fixtures/short-folder.ts'

/** Makes code of `code.txt`, whose first line says how many modules it has; of a tree without it, nothing. */
const tools: CodeTools = {
  async compile(tree) {
    const file = await tree.find('code.txt')
    if (!file) return undefined
    const text = (await tree.read(file)).toString('utf8')
    if (text.startsWith('bad')) throw new GroveError('ERR_CODE', 'code.txt:1:1: it is bad')
    const modules = Number(text.split('\n')[0])
    const code: CompiledCode = {
      bundle: Buffer.from(`bundle of ${text}`),
      map: Buffer.from('{}'),
      wasm: Array.from({ length: modules }, (_, n) => ({ name: `m${n}`, bytes: Buffer.from(`module ${n}`) })),
      routes: [{ pattern: '/api/*', to: 'code' }],
      vars: { COLOR: 'green' },
      allow: undefined,
      sources: ['code.txt'],
      notes: ['code: made'],
    }
    return code
  },
  checkHosts: () => {},
  createStackMap: () => ({ map: (text) => text }),
}

async function run(t: Test) {
  const running = await runControl({ folder: shortFolder(t), code: tools })
  t.teardown(() => running.stop())
  return { running, socket: running.layout.controlSocket }
}

t.test('code becomes part of its version, unseen by who publishes and by visitors', async (t) => {
  const { running, socket } = await run(t)
  const texts = { 'code.txt': '2\nx', 'index.html': 'page' }
  const result = await publishOver(socket, 'blog', texts)
  t.match(result, { version: 1, added: 2, notes: ['code: made'] })
  const front = await running.addFront(1)
  t.match(await front.load('blog'), { live: { version: 1, code: { routes: [{ pattern: '/api/*', to: 'code' }] } } })
  const { body } = await ask(socket, 'GET', '/sites/blog')
  t.match(body, { history: [{ files: 2 + 5 }] })
  t.match((await ask(socket, 'GET', '/sites/blog/diff?to=1')).body, { added: ['code.txt', 'index.html'] })
  t.match(await publishOver(socket, 'blog', texts), { version: 1, unchanged: true })
})

t.test('what was made of an earlier tree goes, by a change as well as by a list', async (t) => {
  const { socket } = await run(t)
  await publishOver(socket, 'blog', { 'code.txt': '2\nx', 'index.html': 'page' })
  const change = async (base: number, text: string | undefined) => {
    if (text !== undefined) await ask(socket, 'PUT', `/blobs/${hashOf(text)}`, Buffer.from(text))
    const put = text === undefined ? [] : filesOf({ 'code.txt': text })
    // A client of before may list what it found there: it does no harm.
    const del = text === undefined ? ['code.txt', codeFiles.manifest] : []
    return (await ask(socket, 'POST', '/sites/blog/versions', { opId: newOpId(), base, put, del })).body
  }
  const filesIn = async () => (await ask(socket, 'GET', '/sites/blog')).body.history[0].files
  t.match(await change(1, '1\ny'), { version: 2, changed: 1 })
  t.equal(await filesIn(), 2 + 4, 'one module is gone')
  t.match(await change(2, undefined), { version: 3, removed: 1 })
  t.equal(await filesIn(), 1, 'and then all of it')
})

t.test('code that cannot be made changes nothing, and says where it is wrong', async (t) => {
  const { socket } = await run(t)
  t.match(await publishOver(socket, 'blog', { 'code.txt': 'bad' }), {
    error: { code: 'ERR_CODE', message: 'code.txt:1:1: it is bad' },
  })
  t.equal((await ask(socket, 'GET', '/sites/blog')).status, 404)
  await publishOver(socket, 'blog', { 'code.txt': '0\nx' })
  t.match(await publishOver(socket, 'blog', { 'code.txt': 'bad' }), { error: { code: 'ERR_CODE' } })
  t.match((await ask(socket, 'GET', '/sites/blog')).body, { live: 1, versions: 1 })
})

t.test('nobody puts files where Grove puts its own', async (t) => {
  const { socket } = await run(t)
  for (const path of [codeFiles.manifest, '.grove/x', '.Grove/X', '.grove'])
    t.match(
      await publishOver(socket, 'blog', { [path]: 'mine' }),
      { error: { code: 'ERR_PUBLISH_REFUSED', details: { refused: [{ path, reason: /only Grove itself/ }] } } },
      path,
    )
  t.match(await publishOver(socket, 'blog', { '.grover/x': 'a', 'a/.grove/x': 'b' }), { version: 1 })
})

t.test('a version that is not live any more keeps its code', async (t) => {
  const { running, socket } = await run(t)
  await publishOver(socket, 'blog', { 'code.txt': '1\nx' })
  await publishOver(socket, 'blog', { 'index.html': 'no code' })
  const front = await running.addFront(1)
  t.notOk((await front.load('blog'))?.live?.code)
  await ask(socket, 'POST', '/sites/blog/rollback', {})
  t.match(await front.load('blog'), { live: { version: 1, code: {} } })
})
