/**
 * Lines of sites' logs on their way to the disk: places in a bundle become places in what the author wrote. The lines stay
 * in their order; those that name no place wait for nothing but those before them.
 */

import type { Logger } from 'pino'
import { limits } from '../core/limits.ts'
import type { BlobHash } from '../core/names.ts'
import { setNewest } from '../core/newest.ts'
import type { SiteLogLine } from '../core/supervisor-messages.ts'
import type { Blobs } from '../store/contents/blobs.ts'
import type { CodeManifests } from './code-manifests.ts'
import type { CodeTools } from './code-tools.ts'
import type { SiteOutput } from './site-output.ts'
import type { SiteRegistry } from './site-registry.ts'

/** What lines are mapped with. */
export interface MappedOutputOptions {
  readonly registry: Pick<SiteRegistry, 'get' | 'serves'>
  readonly manifests: CodeManifests
  readonly blobs: Pick<Blobs, 'read'>
  readonly output: Pick<SiteOutput, 'write'>
  /** @default nothing is mapped */
  readonly createStackMap: CodeTools['createStackMap'] | undefined
  readonly log: Logger
}

type StackMap = ReturnType<CodeTools['createStackMap']>

/** How a place in a bundle is written, see sandbox/bridge.ts. */
const placePattern = /grove:site:\d/

/** Makes what takes lines. Those of sites that are not served are left out. */
export function createMappedOutput(options: MappedOutputOptions): (lines: readonly SiteLogLine[]) => void {
  const { registry, manifests, blobs, output, createStackMap, log } = options
  /** Keyed by the map's hash. */
  const maps = new Map<BlobHash, StackMap>()
  let queue: Promise<void> = Promise.resolve()
  let waiting = 0

  async function mapOf(name: string, version: number): Promise<StackMap | undefined> {
    using site = await registry.get(name)
    const content = site && (await manifests.of(site, version))?.map
    if (!site || !content || !createStackMap || content.bytes > limits.siteOutput.mapBytes) return undefined
    const known = maps.get(content.hash)
    if (known) return known
    await site.versions.ensure(content.hash)
    const made = createStackMap((await blobs.read(content.hash)).toString('utf8'))
    setNewest(maps, content.hash, made, limits.siteOutput.maps)
    return made
  }

  async function mapped(line: SiteLogLine): Promise<SiteLogLine> {
    const { site, version, text } = line
    if (version === undefined || !placePattern.test(text)) return line
    try {
      const map = await mapOf(site, version)
      return map ? { ...line, text: map.map(text) } : line
    } catch (error) {
      log.debug({ err: error, site, version }, 'places in a line of a site stay as they are')
      return line
    }
  }

  return (lines) => {
    const served = lines.filter(({ site }) => registry.serves(site))
    if (waiting === 0 && !served.some(({ text }) => placePattern.test(text))) {
      output.write(served)
      return
    }
    if (waiting >= limits.siteOutput.mapped) return
    waiting += 1
    queue = queue.then(async () => {
      const done: SiteLogLine[] = []
      for (const line of served) done.push(await mapped(line))
      output.write(done)
      waiting -= 1
    })
  }
}
