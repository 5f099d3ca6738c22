import { readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { createAdminClient } from '../../cli/admin-client.ts'
import { publishFolder } from '../../cli/publish-folder.ts'
import type { SiteDetail } from '../../core/admin-api.ts'
import { GroveError } from '../../core/errors.ts'
import { type CollectedResult, collectLineSchema } from '../../core/store-api.ts'
import { type Harness, startGrove } from './harness.ts'

/** A thousand were done by hand, without a loss (2026-11-21); in every run it is enough of them to meet every step. */
const kills = Number(process.env['GROVE_KILL_ROUNDS'] ?? 40)
const pages = 12
/** Versions that stay, of all that were ever published. */
const kept = 25
const silent = { begin: () => {}, add: () => {}, [Symbol.dispose]: () => {} }

/** Kills control at random moments until told to stop, each time after it has come back. */
async function killControl(
  grove: Harness,
  state: { kills: number; stop: boolean },
  random: () => number,
): Promise<void> {
  let last = 0
  while (!state.stop && state.kills < kills) {
    const pid = await grove.until(async () => {
      const status = await grove.status().catch(() => undefined) // It may be away just now.
      const now = status?.processes.find(({ kind }) => kind === 'control')?.pid
      return state.stop ? -1 : now !== last && now
    })
    if (state.stop) return
    last = pid
    // Not a wait for something: a random moment is what this is about.
    await new Promise((resolve) => setTimeout(resolve, random() * 400))
    process.kill(pid, 'SIGKILL')
    state.kills += 1
  }
}

/** A small generator, so that a run can be repeated with the seed that it prints. */
function seeded(seed: number): () => number {
  let state = seed
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return state / 2 ** 32
  }
}

t.test(
  `control is killed at ${kills} random moments of publishing, merging and collecting and loses nothing it acknowledged`,
  async (t) => {
    const seed = Date.now() % 1_000_000
    t.comment(`seed ${seed}`)
    const grove = await startGrove(t, {
      config: { fronts: 1, keep: { versions: kept, days: 0 }, log: { access: false, level: 'error' } },
    })
    const folder = t.testdir()
    const text = (round: number, page: number) => `<p>round ${round}, page ${page}</p>\n`.repeat(20)
    /** Keyed by version: the round whose pages were acknowledged as that version. */
    const acknowledged = new Map<number, number>()
    const publish = async (round: number): Promise<void> => {
      for (let page = 0; page < pages; page++) writeFileSync(join(folder, `page-${page}.html`), text(round, page))
      using client = createAdminClient(join(grove.data, 'control.sock'))
      const { result } = await publishFolder(client, { folder, site: 'blog', message: `${round}` }, silent)
      acknowledged.set(result.version ?? 0, round)
      // What nobody keeps is forgotten, and what nobody needs removed at once, while the next kill may come at any step.
      if (round % 3 === 0) await client.prune('blog', {})
      if (round % 4 === 0) await Array.fromAsync(client.lines('/store/collect', { graceMs: 0 }, collectLineSchema))
    }
    // A front cannot make the first certificate of a name by itself; from then on it needs nobody.
    await publish(0)
    t.equal((await grove.visitor.http1(grove.url('blog', '/page-0.html'))).status, 200)
    const state = { kills: 0, stop: false }
    t.teardown(() => {
      state.stop = true
    })
    const killing = killControl(grove, state, seeded(seed))
    let served = 0
    for (let round = 1; state.kills < kills; round++) {
      try {
        await publish(round)
      } catch (error) {
        // A publisher may be unlucky for its whole half minute of tries; then nothing was acknowledged.
        if (!(error instanceof GroveError)) throw error
      }
      const answer = await grove.visitor.http1(grove.url('blog', '/page-0.html'))
      t.equal(answer.status, 200, `the front serves on after ${state.kills} kills`)
      served += 1
    }
    state.stop = true
    await killing
    await grove.until(() => grove.status().catch(() => undefined))
    t.comment(`${acknowledged.size} versions acknowledged, ${served} answers in between`)

    await grove.json(['site', 'prune', 'blog'])
    const { history } = await grove.json<SiteDetail>(['site', 'show', 'blog'])
    const there = new Set(history.map(({ version }) => version))
    const last = Math.max(...acknowledged.keys())
    for (const [version] of acknowledged)
      if (version > last - kept + 1) t.ok(there.has(version), `${version} was acknowledged and is there`)
    // Whole and servable: each is put live again in turn, and every page of it compared.
    using client = createAdminClient(join(grove.data, 'control.sock'))
    for (const { version, message } of history) {
      const round = acknowledged.get(version) ?? Number(message)
      t.equal(Number(message), round, `${version} is its publisher's`)
      await client.rollback('blog', version)
      const answers = await Promise.all(
        Array.from({ length: pages }, (_, page) => grove.visitor.http1(grove.url('blog', `/page-${page}.html`))),
      )
      const wrong = answers.flatMap(({ headers, body }, page) =>
        headers['grove-version'] === `blog@${version}` && String(body) === text(round, page) ? [] : [page],
      )
      t.same(wrong, [], `every page of blog@${version}`)
    }
    t.match(await grove.json(['store', 'verify']), { faults: [] }, 'every hash and every reference is right')

    t.same(await grove.stop(), { code: 0, signal: null })
    await grove.start()
    await grove.until(() => readdirSync(join(grove.data, 'tmp')).length === 0)
    t.pass('no temporary file is left')
    // Twice, as what is without a use has to be found so twice; then all that is left is named by the site.
    for (let run = 0; run < 2; run++) await grove.json(['store', 'collect', '--grace', '0s'])
    const { waiting } = await grove.json<CollectedResult>(['store', 'collect', '--grace', '0s'])
    t.equal(waiting, 0, 'no object is left that no version needs')
  },
)
