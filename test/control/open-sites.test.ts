import t from 'tap'
import { OpenSites } from '../../control/open-sites.ts'

function create(most: number) {
  const events: string[] = []
  const gates = new Map<string, Promise<void>>()
  const failures: string[] = []
  const sites = new OpenSites({
    async open(name) {
      events.push(`open ${name}`)
      await gates.get(name)
      if (name === 'broken') throw new Error('cannot be read')
      return {
        name,
        async [Symbol.asyncDispose]() {
          await gates.get(`close ${name}`)
          if (name === 'stuck') throw new Error('cannot be closed')
          events.push(`close ${name}`)
        },
      }
    },
    most,
    failed: (name) => void failures.push(name),
  })
  const touch = async (name: string) => {
    using held = await sites.hold(name)
    return held.value.name
  }
  return { sites, events, gates, failures, touch }
}

t.test('a site is opened once, and the one that was used longest ago is closed for another', async (t) => {
  const { sites, events, touch } = create(2)
  t.same(await Promise.all([touch('a'), touch('a')]), ['a', 'a'])
  await touch('b')
  await touch('a')
  await touch('c')
  await new Promise(setImmediate)
  t.same(events, ['open a', 'open b', 'open c', 'close b'])
  t.equal(sites.size, 2)
  await touch('b')
  await sites[Symbol.asyncDispose]()
  t.same(events.slice(4).sort(), ['close a', 'close b', 'close c', 'open b'])
  await t.rejects(sites.hold('a'), { code: 'ERR_CLOSED' })
})

t.test('what is held stays open, however many there are', async (t) => {
  const { sites, events, touch } = create(1)
  const held = [await sites.hold('a'), await sites.hold('b'), await sites.hold('b')]
  await touch('c')
  t.same(events, ['open a', 'open b', 'open c'])
  held[1]?.[Symbol.dispose]()
  held[1]?.[Symbol.dispose]()
  await new Promise(setImmediate)
  t.notOk(events.includes('close b'), 'it is held by another one still, who lets go only once')
  for (const each of held) each[Symbol.dispose]()
  await new Promise(setImmediate)
  t.equal(sites.size, 1)
  await sites[Symbol.asyncDispose]()
})

t.test('a site that is being closed is not opened before it is closed', async (t) => {
  const { sites, events, gates, touch } = create(1)
  const gate = Promise.withResolvers<void>()
  gates.set('close a', gate.promise)
  await touch('a')
  await touch('b')
  const again = touch('a')
  await new Promise(setImmediate)
  t.same(events, ['open a', 'open b'])
  gate.resolve()
  await again
  t.same(events.slice(0, 4), ['open a', 'open b', 'close a', 'open a'])
  await sites[Symbol.asyncDispose]()
})

t.test('one that cannot be opened is tried anew, one that cannot be closed is forgotten', async (t) => {
  const { sites, events, failures, touch } = create(1)
  await Promise.all([t.rejects(touch('broken')), t.rejects(touch('broken'))])
  await t.rejects(touch('broken'), { message: 'cannot be read' })
  t.same(events, ['open broken', 'open broken'])
  await touch('stuck')
  await touch('stuck')
  await sites[Symbol.asyncDispose]()
  t.same(failures, ['stuck'])
})

t.test('what is forgotten is opened anew by whoever comes next, and closed when nobody holds it', async (t) => {
  const { sites, events, touch } = create(5)
  {
    using held = await sites.hold('a')
    sites.forget('a')
    sites.forget('never')
    t.equal(await touch('a'), 'a')
    t.equal(held.value.name, 'a')
    t.same(events, ['open a', 'open a'])
  }
  sites.forget('a')
  await new Promise(setImmediate)
  t.same(events, ['open a', 'open a', 'close a', 'close a'])
})
