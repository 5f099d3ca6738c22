import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { Agent, request } from 'node:https'
import { join } from 'node:path'
import t from 'tap'
import { createAdminClient } from '../../cli/admin-client.ts'
import { publishFolder } from '../../cli/publish-folder.ts'
import { type Harness, startGrove } from './harness.ts'

/**
 * By hand more: `GROVE_CODE_PUBLISHES=10000 GROVE_CODE_VISITORS=2 npx tap -t 7200 test/e2e/code-publishes.test.ts`. Visitors
 * ask without a pause, and bundling comes behind them on the CPU.
 */
const publishes = Number(process.env['GROVE_CODE_PUBLISHES'] ?? 120)
const visitors = Number(process.env['GROVE_CODE_VISITORS'] ?? 8)
/** A busy machine is no reason to end an entry: what is measured here is something else. */
const sandbox = { spares: 1, tiers: { default: { entryMs: 1_000, cpuMs: 5_000, firstByteMs: 60_000 } } }
const silent = { begin: () => {}, add: () => {}, [Symbol.dispose]: () => {} }

/** Code in three files and a variable, each of which says which version it is of. */
function writeVersion(folder: string, version: number): void {
  writeFileSync(join(folder, 'a.js'), `export const a = ${version}\n`)
  writeFileSync(join(folder, 'b.js'), `import { a } from './a.js'\nexport const b = ${version}\nexport const ofA = a\n`)
  writeFileSync(join(folder, 'grove.json'), JSON.stringify({ vars: { VERSION: String(version) } }))
}

const worker = `import { a } from './a.js'
import { b, ofA } from './b.js'
let answers = 0
export default {
  async fetch(request, env) {
    answers += 1
    const before = { a, b, ofA, variable: Number(env.VERSION) }
    await new Promise((resolve) => setTimeout(resolve, answers % 3))
    return Response.json({ before, after: { a, b, ofA, variable: Number(env.VERSION) } })
  },
}
`

/** Asks on a connection of its own until told to stop. Answers how many answers it has got, and what was wrong. */
function visit(grove: Harness, isOver: () => boolean, published: () => number) {
  const agent = new Agent({ keepAlive: true, maxSockets: 1, ca: readFileSync(grove.rootFile, 'utf8') })
  const ask = () =>
    new Promise<{ status: number; text: string }>((resolve, reject) => {
      const options = { agent, host: '127.0.0.1', servername: 'blog.localhost', port: grove.httpsPort, path: '/x' }
      const asked = request({ ...options, headers: { host: 'blog.localhost' } }, async (answer) => {
        let text = ''
        for await (const piece of answer.setEncoding('utf8')) text += piece
        resolve({ status: answer.statusCode ?? 0, text })
      })
      asked.once('error', reject)
      asked.end()
    })
  const work = async () => {
    let answers = 0
    const wrong: string[] = []
    while (!isOver()) {
      const least = published()
      const { status, text } = await ask().catch((error: Error) => ({ status: 0, text: error.message }))
      answers += 1
      const fault = status === 200 ? faultOf(text, least) : `${status}: ${text}`
      if (fault !== undefined) wrong.push(fault)
    }
    agent.destroy()
    return { answers, wrong }
  }
  return work()
}

/** What is wrong with an answer: parts of several versions, or of one that was not live any more when it was asked for. */
function faultOf(text: string, least: number): string | undefined {
  const { before, after } = JSON.parse(text)
  const versions = new Set<number>([...Object.values<number>(before), ...Object.values<number>(after)])
  const [version = 0] = versions
  return versions.size === 1 && version >= least ? undefined : `${text}, and version ${least} was live`
}

/** Processes of tenants whose supervisor is this one. */
function tenantsOf(supervisor: number): { pid: number; bytes: number }[] {
  return readdirSync('/proc').flatMap((name) => {
    if (!/^\d+$/.test(name)) return []
    try {
      const status = readFileSync(`/proc/${name}/status`, 'utf8')
      const isOurs = Number(/^PPid:\s+(\d+)$/m.exec(status)?.[1]) === supervisor
      const bytes = Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1] ?? 0) * 1_024
      return isOurs ? [{ pid: Number(name), bytes }] : []
    } catch {
      return [] // It has ended since.
    }
  })
}

t.test(`${publishes} versions of code are published under load: none is mixed, and nothing is left over`, async (t) => {
  const grove = await startGrove(t, { config: { fronts: 2, log: { access: false }, sandbox } })
  const folder = t.testdir({ '_worker.js': worker })
  let live = 0
  const publish = async (version: number) => {
    using client = createAdminClient(join(grove.data, 'control.sock'))
    writeVersion(folder, version)
    const { result } = await publishFolder(client, { folder, site: 'blog', message: '' }, silent)
    t.equal(result.version, version)
    live = version
  }
  await publish(1)
  let isOver = false
  const visits = Array.from({ length: visitors }, () =>
    visit(
      grove,
      () => isOver,
      () => live,
    ),
  )
  const [supervisor = 0] = await grove.pids('supervisor')
  const peaks: number[] = []
  for (let version = 2; version <= publishes; version += 1) {
    await publish(version)
    if (version % 20 === 0) peaks.push(Math.max(...tenantsOf(supervisor).map(({ bytes }) => bytes)))
  }
  isOver = true
  const done = await Promise.all(visits)
  t.same(done.flatMap(({ wrong }) => wrong).slice(0, 5), [])
  const answers = done.reduce((sum, visit) => sum + visit.answers, 0)
  t.ok(answers > publishes, `${answers} answers`)

  const { sandboxes } = await grove.status()
  const serving = sandboxes?.processes.filter(({ site }) => site === 'blog') ?? []
  t.equal(serving.length, 1, 'one process has served all of them')
  t.ok((serving[0]?.versions.length ?? 9) <= 4, 'and has let go of old versions')
  t.ok(tenantsOf(supervisor).length <= 4, 'no process is left over')
  const [early, late] = [peaks.slice(0, peaks.length / 2), peaks.slice(peaks.length / 2)]
  t.comment(`MiB: ${peaks.map((bytes) => Math.round(bytes / 1_048_576)).join(' ')}; ${answers} answers`)
  t.ok(Math.max(...late) < Math.max(...early) + 48 * 1_048_576, 'memory does not grow with versions')
})
