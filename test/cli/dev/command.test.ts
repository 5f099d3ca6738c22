import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'

const root = join(import.meta.dirname, '../../..')

/** Processes below a process. */
function below(pid: number): number[] {
  const parents = readdirSync('/proc').flatMap((name) => {
    try {
      const parent = /^PPid:\s+(\d+)/m.exec(readFileSync(`/proc/${Number(name)}/status`, 'utf8'))?.[1]
      return [{ pid: Number(name), parent: Number(parent) }]
    } catch {
      return []
    }
  })
  const found = [pid]
  for (const each of found) for (const { pid: child, parent } of parents) if (parent === each) found.push(child)
  return found.slice(1)
}

const isAlive = (pid: number) => {
  try {
    return !/^State:\s+[ZX]/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'))
  } catch {
    return false
  }
}

for (const signal of ['SIGINT', 'SIGTERM', 'SIGKILL'] as const)
  t.test(`${signal} ends the command and everything that it has started`, async (t) => {
    const folder = t.testdir({ '_worker.js': 'export default { fetch: () => new Response("hello") }' })
    const child = spawn(process.execPath, [join(root, 'bin/grove.js'), 'dev', folder, '--port', '0'], {
      stdio: ['ignore', 'pipe', 'inherit'],
      env: { PATH: process.env['PATH'] },
    })
    t.teardown(() => child.kill('SIGKILL'))
    let text = ''
    const ready = Promise.withResolvers<string>()
    child.stdout.on('data', (piece) => {
      text += String(piece)
      const url = /http:\/\/localhost:\d+\//.exec(text)?.[0]
      if (url) ready.resolve(url)
    })
    child.once('exit', () => ready.reject(new Error(text)))
    t.equal(await (await fetch(await ready.promise)).text(), 'hello')
    const started = below(child.pid ?? 0)
    t.ok(started.length > 0, 'its code runs in a process of its own')
    const exited = once(child, 'exit')
    child.kill(signal)
    t.same(await exited, signal === 'SIGKILL' ? [null, 'SIGKILL'] : [0, null])
    while (started.some(isAlive)) await new Promise((resolve) => setTimeout(resolve, 20))
    t.pass('nothing is left')
  })
