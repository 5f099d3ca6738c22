import t from 'tap'
import { Epoch, earlierEpochs, type SiteRuntime, settled } from '../../proxy/site-runtime.ts'

function runtime(earlier: readonly Epoch[] = []): SiteRuntime {
  return {
    state: { name: 'blog', authorities: ['blog.localhost'], upstreams: [], timeoutMs: 1_000, bodyBytes: 0 },
    info: { name: 'blog', authorities: ['blog.localhost'] },
    table: undefined,
    upstream: undefined,
    epoch: new Epoch(),
    earlier,
  }
}

t.test('a version settles when the last answer of an earlier one has ended', async (t) => {
  const before = runtime()
  before.epoch.begin()
  before.epoch.begin()
  const after = runtime(earlierEpochs(before))
  after.epoch.begin()
  let done = false
  const settling = settled(after.earlier, 60_000).then(() => {
    done = true
  })
  before.epoch.end()
  await new Promise(setImmediate)
  t.notOk(done, 'one is still under way')
  before.epoch.end()
  await settling
  t.ok(before.epoch.isIdle)
})

t.test('settling gives up after its time', async (t) => {
  const before = runtime()
  before.epoch.begin()
  await settled(runtime(earlierEpochs(before)).earlier, 1)
  t.notOk(before.epoch.isIdle)
})

t.test('only epochs with answers under way are remembered', (t) => {
  const busy = new Epoch()
  busy.begin()
  t.same(earlierEpochs(undefined), [])
  t.same(earlierEpochs(runtime([new Epoch(), busy])), [busy])
  t.end()
})
