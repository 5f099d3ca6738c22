/** Names that a site made by command may not have. The operator's config may name anything that is a label. */

import { GroveError } from '../core/errors.ts'
import { type SiteName, toSiteName } from '../core/names.ts'

/**
 * Names that programs ask for by themselves: whoever holds one can answer for a whole domain. `grove` is kept for
 * pages of the host.
 */
const reserved: ReadonlySet<string> = new Set(['autoconfig', 'autodiscover', 'grove', 'isatap', 'localhost', 'wpad'])

/**
 * Checks the name of a site that is to be made. Throws `ERR_SITE_NAME` for what is no label, is reserved, or has `--`
 * as third and fourth character: such labels mean another script (RFC 5891 section 4.2.3.1) and can look like any name.
 */
export function checkNewSiteName(text: string): SiteName {
  const name = toSiteName(text)
  if (reserved.has(name)) throw new GroveError('ERR_SITE_NAME', `the name "${name}" is reserved`)
  if (name.slice(2, 4) === '--')
    throw new GroveError('ERR_SITE_NAME', `"${name}" has "--" as third and fourth character, which is reserved`)
  return name
}
