import t from 'tap'
import type { Exchange } from '../../core/exchange.ts'
import {
  Epoch,
  earlierEpochs,
  enterEpoch,
  leaveEpoch,
  type SiteRuntime,
  settled,
  siteRuntime,
} from '../../proxy/site-runtime.ts'

function runtime(earlier: readonly Epoch[] = []): SiteRuntime {
  const state = { name: 'blog', authorities: ['blog.localhost'], upstreams: [], timeoutMs: 1_000, bodyBytes: 0 }
  return siteRuntime({
    state,
    table: undefined,
    upstream: undefined,
    code: undefined,
    epoch: undefined,
    earlier,
    isSure: true,
  })
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

t.test('an exchange leaves the epoch that it entered, once', async (t) => {
  const [epoch, other] = [new Epoch(), new Epoch()]
  const [one, two] = [{}, {}] as Exchange[]
  if (!one || !two) throw new Error('there are two')
  leaveEpoch(one)
  enterEpoch(one, epoch)
  enterEpoch(two, other)
  t.notOk(epoch.isIdle)
  leaveEpoch(one)
  leaveEpoch(one)
  t.ok(epoch.isIdle)
  t.notOk(other.isIdle)
  enterEpoch(one, epoch)
  t.notOk(epoch.isIdle, 'it was left once, not twice')
})
