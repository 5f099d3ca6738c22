/**
 * Which certificates are had for which names: one for each name, so that a name that fails never holds up another; and
 * one wildcard for all names right under a domain whose DNS a provider can change.
 */

/** The names of the certificates that cover some names: the names themselves, or wildcards for them. Each once. */
export function toCertificateNames(names: Iterable<string>, wildcards: ReadonlySet<string>): Set<string> {
  const found = new Set<string>()
  for (const name of names) found.add(certificateNameOf(name, wildcards))
  return found
}

/** The name of the certificate that covers a name. `wildcards`: domains for which there is a wildcard. */
export function certificateNameOf(name: string, wildcards: ReadonlySet<string>): string {
  const parent = parentOf(name)
  return parent !== undefined && wildcards.has(parent) ? `*.${parent}` : name
}

/** The wildcard that covers a name; undefined for one label, and for a wildcard. */
export function wildcardOf(name: string): string | undefined {
  const parent = parentOf(name)
  return parent === undefined || name.startsWith('*.') ? undefined : `*.${parent}`
}

function parentOf(name: string): string | undefined {
  const dot = name.indexOf('.')
  return dot === -1 ? undefined : name.slice(dot + 1)
}
