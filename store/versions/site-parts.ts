/** What the parts of an open site work with. */

import type { SiteName } from '../../core/names.ts'
import type { Blobs } from '../contents/blobs.ts'
import type { SiteContents } from '../contents/site-contents.ts'
import type { Environment } from '../environment.ts'
import type { Objects } from '../objects/objects.ts'
import type { Keyring } from '../segments/keyring.ts'
import type { Epoch } from './epoch.ts'
import type { SiteLog } from './site-log.ts'

/** One site, open: its log, its contents, and the world around. */
export interface SiteParts {
  readonly env: Environment
  readonly objects: Objects
  readonly blobs: Blobs
  readonly keyring: Keyring | undefined
  readonly owner: string
  readonly name: SiteName
  /** In charge of the owner's objects; undefined for a folder of this machine. */
  readonly epoch: Epoch | undefined
  readonly log: SiteLog
  readonly contents: SiteContents
}
