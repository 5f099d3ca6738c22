/** Which versions are kept: the live one, the newest, the young, and those that somebody has pinned. */

import { GroveError } from '../../core/errors.ts'
import { limits } from '../../core/limits.ts'
import type { VersionNumber } from '../../core/names.ts'
import type { SiteState } from './site-state.ts'
import type { Keep, Pin, VersionRecord } from './versions.ts'

/** Those pins that have not ended. */
export function alivePins(pins: readonly Pin[], nowMs: number): Pin[] {
  return pins.filter(({ untilMs }) => untilMs === undefined || untilMs > nowMs)
}

/** Splits a site's versions into those that something keeps and those that nothing does, both oldest first. */
export function retained(
  { versions, live, pins }: Pick<SiteState, 'versions' | 'live' | 'pins'>,
  keep: Keep,
  nowMs: number,
): { kept: VersionRecord[]; pruned: VersionRecord[] } {
  const pinned = new Set<VersionNumber>(alivePins(pins, nowMs).map(({ version }) => version))
  const kept: VersionRecord[] = []
  const pruned: VersionRecord[] = []
  for (const [index, record] of versions.entries()) {
    const newer = versions.length - 1 - index
    const isRecent = newer < keep.versions || (record.atMs > nowMs - keep.ms && newer < limits.store.versionsKept)
    const isKept = isRecent || record === live || pinned.has(record.version)
    ;(isKept ? kept : pruned).push(record)
  }
  return { kept, pruned }
}

/** Checks a pin that somebody wants. Throws `ERR_BAD_REQUEST`, and `ERR_TOO_MANY` where there are many already. */
export function checkPin(pins: readonly Pin[], pin: Pin, nowMs: number): void {
  checkPinName(pin.name)
  if (pin.untilMs !== undefined && !Number.isFinite(pin.untilMs))
    throw new GroveError('ERR_BAD_REQUEST', 'end of a pin is not a time')
  const others = alivePins(pins, nowMs).filter(({ name }) => name !== pin.name)
  if (others.length >= limits.store.pins)
    throw new GroveError('ERR_TOO_MANY', `site has ${others.length} pins; at most ${limits.store.pins}`, {
      hint: 'take some away that are not needed any more',
    })
}

/** Checks the name of a pin: printable, no white space at an end, at most `limits.store.pinNameChars`. */
export function checkPinName(name: string): void {
  const isName = name.length > 0 && name.length <= limits.store.pinNameChars && name.isWellFormed()
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are exactly what is refused
  if (isName && name.trim() === name && !/[\x00-\x1f\x7f-\x9f]/.test(name)) return
  throw new GroveError('ERR_BAD_REQUEST', `${JSON.stringify(name.slice(0, 80))} is not a name of a pin`)
}
