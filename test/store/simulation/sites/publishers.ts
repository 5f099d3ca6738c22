/** Clients that publish: they look at what is there, send what is missing, and try again what they do not know. */

import type { Random } from '../random.ts'
import type { FileChange, Files, SiteAskOf } from './asks.ts'
import { type Content, contentNamed, largeContents, smallContents } from './contents.ts'
import { type SiteSession, siteNames } from './open-session.ts'
import { checkpoint, isUnsure, list, missing, publish, type SiteDesk, tree, upload } from './session.ts'

/** What a client needs of the world. */
export interface SiteWork extends SiteDesk {
  /** A name that nobody had. */
  newName(kind: string): string
}

/** A client: it does one thing after the other, over as many lives as that takes. */
export interface SiteClient {
  readonly name: string
  /** Things left to do. */
  readonly left: number
  step(session: SiteSession): Promise<void>
  /** Settles what is not known, once nothing fails any more. */
  finish(session: SiteSession): Promise<void>
}

const folders = ['', 'docs/', 'docs/deep/', 'img/']
const names = ['index.html', 'about.html', 'a.css', 'b.js', 'c.txt']
const paths = folders.flatMap((folder) => names.map((name) => `${folder}${name}`))
/** How often a publish is tried again whose contents were taken away or that nobody answered. */
const mostTries = 4

/** A client that publishes changes and whole sites. */
export function createPublisher(work: SiteWork, random: Random, name: string, steps: number): SiteClient {
  let left = steps
  let pending: SiteAskOf<'publish'> | undefined

  async function attempt(session: SiteSession, ask: SiteAskOf<'publish'>): Promise<void> {
    for (let tries = 0; tries < mostTries; tries += 1) {
      // Kept before the question: when the process ends over it, the next life still knows.
      pending = ask
      await sendMissing(work, random, session, name, ask)
      if (random.chance(0.2)) await session.life.env.sleep(random.below(120))
      const asked = await publish(work, session, name, ask)
      if (asked.answer && random.chance(0.1)) await publish(work, session, name, ask)
      if (asked.error?.code === 'ERR_BLOB_MISSING') continue
      if (!isUnsure(asked)) pending = undefined
      if (asked.answer && session.bucket && random.chance(0.3)) await checkpoint(work, session, name, ask.site)
      return
    }
    pending = undefined
  }

  return {
    name,
    get left() {
      return left
    },
    async step(session) {
      if (pending) return attempt(session, pending)
      left -= 1
      const ask = await nextPublish(work, random, session, name)
      if (ask) await attempt(session, ask)
    },
    async finish(session) {
      for (let tries = 0; pending && tries < mostTries; tries += 1) await attempt(session, pending)
    },
  }
}

async function sendMissing(
  work: SiteWork,
  random: Random,
  session: SiteSession,
  client: string,
  { site, wanted }: SiteAskOf<'publish'>,
): Promise<void> {
  const named = Object.values('files' in wanted ? wanted.files : wanted.change).filter((content) => content !== null)
  let contents: Content[]
  try {
    contents = await missing(session, site, [...new Set(named)])
  } catch {
    // The publish will say what is wrong. Some clients send without asking.
    contents = named.map(contentNamed)
  }
  for (const content of contents) {
    const isDirect = session.bucket && !session.common.keyring && largeContents.includes(content) && random.chance(0.6)
    await upload(work, session, client, content, isDirect ? { site, bytes: sentBytes(random, content) } : undefined)
  }
}

/** What somebody sends who has a signed URL: the bucket does not look at it. */
function sentBytes(random: Random, { bytes }: Content): Buffer {
  return random.chance(0.25) ? Buffer.alloc(bytes.length, 'x') : bytes
}

async function nextPublish(
  work: SiteWork,
  random: Random,
  session: SiteSession,
  name: string,
): Promise<SiteAskOf<'publish'> | undefined> {
  const site = random.pick(siteNames)
  const { answer: seen } = await list(work, session, name, site)
  const base = seen?.live ?? 0
  const ask = { call: 'publish', site, name: work.newName(name) } as const
  if (base === 0 || random.chance(0.2)) return { ...ask, wanted: { files: someFiles(random) } }
  const { answer } = await tree(work, session, name, site, base)
  if (!answer) return undefined
  // Others publish meanwhile, so that it has to be put on top of what they did.
  if (random.chance(0.5)) await session.life.env.sleep(random.below(80))
  return { ...ask, wanted: { base, change: someChange(random, answer.files) } }
}

/** A whole site. A large one has several nodes in its tree, and few contents in many files. */
function someFiles(random: Random): Files {
  const files: Record<string, string> = {}
  for (const path of paths) if (random.chance(0.4)) files[path] = someContent(random).name
  const more = random.chance(0.3) ? random.between(60, 180) : 0
  for (let index = 0; index < more; index += 1) files[`many/${index}.html`] = `c${index % 3}`
  return Object.keys(files).length > 0 ? files : { 'index.html': 'c0' }
}

function someChange(random: Random, files: Files): FileChange {
  const change: Record<string, string | null> = {}
  for (let count = random.between(1, 3); count > 0; count -= 1) change[random.pick(paths)] = someContent(random).name
  const old = Object.keys(files).filter((path) => change[path] === undefined)
  if (old.length > 0 && random.chance(0.4)) change[random.pick(old)] = null
  return change
}

function someContent(random: Random): Content {
  return random.chance(0.1) ? random.pick(largeContents) : random.pick(smallContents)
}
