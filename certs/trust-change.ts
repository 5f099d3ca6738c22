/** What trusting a root is about, and how it is told: the root, the machine, and sentences for people. */

import type { RunTool } from './run-tool.ts'

/** The root that is to be trusted. */
export interface TrustRoot {
  /** Where its certificate lies, PEM. Not read when it is removed. */
  readonly file: string
  /** SHA-256 of its DER, 64 lower-case hex digits. */
  readonly fingerprint: string
}

/** The machine and the person whose trust it is. */
export interface TrustEnvironment {
  readonly platform: NodeJS.Platform
  /** The person's home folder, where browsers keep their databases. */
  readonly home: string
  /** Whether this process may change the system's store. */
  readonly isRoot: boolean
  /** The person who became root with sudo: the browsers of root are then left alone, since nobody uses them. */
  readonly sudoUser?: string | undefined
  /** The folder that stands for `/`, for images and tests. @default '/' */
  readonly systemRoot?: string
  readonly run: RunTool
}

/** One thing that was done, or was not. */
export interface TrustChange {
  /**
   * `changed`: it was done. `unchanged`: it was so already. `skipped`: not this time, and the sentence says what a person
   * can do. `failed`: a tool did not do it, and the sentence says what it said.
   */
  readonly outcome: 'changed' | 'unchanged' | 'skipped' | 'failed'
  /** For people: one or two sentences with their full stops. */
  readonly sentence: string
}

/** It was done. */
export function changed(sentence: string): TrustChange {
  return { outcome: 'changed', sentence }
}

/** It was so already. */
export function unchanged(sentence: string): TrustChange {
  return { outcome: 'unchanged', sentence }
}

/** Not this time. */
export function skipped(sentence: string): TrustChange {
  return { outcome: 'skipped', sentence }
}

/** A tool did not do it. */
export function failed(sentence: string): TrustChange {
  return { outcome: 'failed', sentence }
}
