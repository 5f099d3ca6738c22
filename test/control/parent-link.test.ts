import t from 'tap'
import { ParentLink } from '../../control/parent-link.ts'
import { type ControlToParent, controlToParentSchema } from '../../core/messages.ts'

const request = { data: '/data', listen: [], fronts: 2 }

t.test('each request to the parent gets its own answer', async (t) => {
  const sent: ControlToParent[] = []
  const parent = new ParentLink((message) => sent.push(controlToParentSchema.parse(message)))
  const first = parent.apply(request)
  const second = parent.apply(request)
  const third = parent.apply(request)
  const ids = sent.map((message) => (message.kind === 'apply' ? message.id : 0))
  t.equal(new Set(ids).size, 3)
  const error = { code: 'ERR_PORT', message: 'taken', hint: 'choose another' }
  parent.applied({ kind: 'applied', id: ids[1] ?? 0, error })
  parent.applied({ kind: 'applied', id: ids[0] ?? 0, ports: { https: 8443 } })
  parent.applied({ kind: 'applied', id: ids[2] ?? 0 })
  parent.applied({ kind: 'applied', id: 99 })
  await t.rejects(second, error)
  t.same(await first, { https: 8443 })
  t.same(await third, {})
})

t.test('a parent that does not answer is waited for only so long', async (t) => {
  const parent = new ParentLink(() => {}, 1)
  await t.rejects(parent.apply(request), { code: 'ERR_TIMEOUT' })
})

t.test('it says that all is up, and asks to stop', (t) => {
  const sent: ControlToParent[] = []
  const parent = new ParentLink((message) => sent.push(controlToParentSchema.parse(message)))
  parent.ready(['a line'])
  parent.stop()
  t.same(sent, [{ kind: 'ready', banner: ['a line'] }, { kind: 'stop' }])
  t.end()
})
