/**
 * Live versions in the form that fronts are told, for those sites that somebody has asked for since the start. What is
 * remembered is bounded: a site that nobody asked for in a long time is forgotten and would be compiled again.
 */

import type { SiteName } from '../core/names.ts'
import { type LiveVersion, textsOf } from './compile-version.ts'
import type { CompiledTexts } from './compiled-texts.ts'

/** How live versions are kept. */
export interface LiveVersionsOptions {
  readonly texts: CompiledTexts
  /** Pieces that are remembered of all sites together. */
  readonly mostPieces: number
  /** Whether a site must not be forgotten now. */
  readonly isPinned: (name: SiteName) => boolean
}

/** Live versions, keyed by site. It holds the texts of all that are in it. */
export class LiveVersions {
  readonly #options: LiveVersionsOptions
  /** That which was used longest ago first. */
  #live = new Map<SiteName, LiveVersion>()
  #pieces = 0

  constructor(options: LiveVersionsOptions) {
    this.#options = options
  }

  /** The version that fronts are told of a site; undefined when none was compiled, or it was forgotten. */
  get(name: SiteName): LiveVersion | undefined {
    const live = this.#live.get(name)
    if (live) {
      this.#live.delete(name)
      this.#live.set(name, live)
    }
    return live
  }

  /** Sites in it. */
  get names(): SiteName[] {
    return [...this.#live.keys()]
  }

  /**
   * Puts a version in the place of the one before, which is answered and is the caller's to {@link release} once
   * nobody reads it any more.
   */
  set(name: SiteName, version: LiveVersion | undefined): LiveVersion | undefined {
    const before = this.#take(name)
    if (version) {
      this.#live.set(name, version)
      this.#pieces += weightOf(version)
      this.#shrink(name)
    }
    return before
  }

  /** Has the next version of a site compiled and written as a whole: its texts may be damaged, or its copies others. */
  distrust(name: SiteName): void {
    const live = this.#live.get(name)
    if (live) this.#live.set(name, { ...live, key: '' })
  }

  /** Lets go of a version that is not live any more, and removes what no other has in common with it. */
  async release(version: LiveVersion | undefined): Promise<void> {
    if (version) await this.#options.texts.release(textsOf(version))
  }

  #take(name: SiteName): LiveVersion | undefined {
    const before = this.#live.get(name)
    if (before) {
      this.#live.delete(name)
      this.#pieces -= weightOf(before)
    }
    return before
  }

  /** What is forgotten stays on the disk, for the next who asks; the sweep at a start takes it. */
  #shrink(newest: SiteName): void {
    if (this.#pieces <= this.#options.mostPieces) return
    for (const name of this.names) {
      if (this.#pieces <= this.#options.mostPieces) return
      if (name === newest || this.#options.isPinned(name)) continue
      const version = this.#take(name)
      if (version) this.#options.texts.forget(textsOf(version))
    }
  }
}

/** What a version takes in memory, in pieces. */
function weightOf({ pieces }: LiveVersion): number {
  return 1 + pieces.length
}
