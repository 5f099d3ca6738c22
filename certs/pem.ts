/** PEM texts (RFC 7468): finding one block in a file that holds several. */

/**
 * The first block of a label, from its BEGIN line to its END line and a newline, or undefined. `label` is upper case
 * letters and spaces: `CERTIFICATE`, `PRIVATE KEY`. The content is not decoded.
 */
export function pemBlock(text: string, label: string): string | undefined {
  const begin = text.indexOf(`-----BEGIN ${label}-----`)
  const endLine = `-----END ${label}-----`
  const end = text.indexOf(endLine, begin)
  return begin === -1 || end === -1 ? undefined : `${text.slice(begin, end + endLine.length)}\n`
}
