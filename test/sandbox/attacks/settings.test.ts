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
  t.match(await ground.ask('too-many'), { status: 500, failed: 'exception' })
  t.ok(await ground.line('too-many', /variables and secrets together have more than 1048576 bytes/))
  t.notOk(
    ground.lines.some(({ site, text }) => site === 'too-many' && /was ended/.test(text)),
    'no process was ended for it',
  )
  t.same(ground.status().quarantined, [])
  await t.test('at the end', (t) => ground.endsWell(t))
})
