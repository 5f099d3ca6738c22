import t from 'tap'
import { layGround } from './host.ts'

const many = (count: number, bytes: number) =>
  Object.fromEntries(Array.from({ length: count }, (_, index) => [`V${index}`, `${index}`.padEnd(bytes, 'v')]))

t.test('as many variables as a site may have reach its code; more are told, and end nothing', async (t) => {
  const ground = await layGround(t)
  const code = `export default { fetch: (request, env) => new Response(String(Object.keys(env).filter((name) => name !== "WASM").length)) }`
  await ground.publish('many', code, { vars: many(64, 5_120) })
  t.match(await ground.ask('many'), { status: 200, body: '64' })
  await ground.publish('too-many', code, { vars: many(256, 65_536) })
  let seen = await ground.ask('too-many')
  // On a busy machine a process may take its time to come.
  for (let tries = 0; seen.failed === 'busy' && tries < 5; tries += 1) {
    await new Promise((resolve) => setTimeout(resolve, 500))
    seen = await ground.ask('too-many')
  }
  t.match(seen, { status: 500, failed: 'exception' }, JSON.stringify(seen))
  t.ok(await ground.line('too-many', /variables and secrets together have more than 1048576 bytes/))
  t.notOk(
    ground.lines.some(({ site, text }) => site === 'too-many' && /was ended/.test(text)),
    'no process was ended for it',
  )
  t.same(ground.status().quarantined, [])
  await t.test('at the end', (t) => ground.endsWell(t))
})

t.test('a visitor whose headers are too large ends nothing', async (t) => {
  const ground = await layGround(t)
  await ground.publish(
    'visited',
    `export default { fetch: (request) => new Response(request.headers.get('x')?.slice(0, 3) ?? 'well') }`,
  )
  t.match(await ground.ask('visited'), { status: 200, body: 'well' })
  const pid = ground.pidOf('visited')
  for (const value of ['v'.repeat(300_000), 'ü'.repeat(140_000), '"'.repeat(140_000)])
    t.match(await ground.ask('visited', { headers: ['x', value] }), { status: 431, failed: 'limit' })
  t.match(await ground.ask('visited', { path: `/${'p'.repeat(300_000)}` }), { status: 431, failed: 'limit' })
  const many = Array.from({ length: 2_000 }, (_, index) => [`h${index}`, '\u007f\u0080"\\']).flat()
  t.match(await ground.ask('visited', { headers: ['x', 'v'.repeat(100_000), ...many] }), { status: 200, body: 'vvv' })
  t.equal(ground.pidOf('visited'), pid, 'the process is the same')
  await t.test('at the end', (t) => ground.endsWell(t))
})
