/** Where a visitor goes after signing in: only ever a page of the same site. */

const maxChars = 2_048

/** An origin that no site has; what resolves elsewhere against it would leave the site. */
const origin = 'https://site.invalid'

/**
 * The path and query to go to after signing in, or `/` when `next` is not a local path.
 *
 * `next` comes from a link that anybody can make. Browsers read `//evil`, `/\evil`, `/<tab>/evil` and the like as
 * another host (WHATWG URL 4.4: backslashes are slashes, tabs and newlines are dropped), and a proxy in front may
 * decode `%2f` before it looks. So only what is plainly a path passes, and what is answered is printable ASCII.
 */
export function safeNextPath(next: string | null | undefined): string {
  if (typeof next !== 'string' || next.length > maxChars || !isPlainPath(next)) return '/'
  // A second reading, as a careless proxy might do it, must come to the same.
  const decoded = decodeOnce(next.split(/[?#]/, 1)[0] as string)
  if (decoded === undefined || !isPlainPath(decoded)) return '/'
  if (!URL.canParse(next, origin)) return '/'
  const url = new URL(next, origin)
  // `/.//evil` resolves to the path `//evil`, which must not be sent as a location of its own.
  if (url.origin !== origin || url.pathname.startsWith('//')) return '/'
  return url.pathname + url.search
}

function isPlainPath(text: string): boolean {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are exactly what is refused
  return /^\/(?!\/)[^\\\x00-\x1f\x7f]*$/.test(text)
}

function decodeOnce(text: string): string | undefined {
  try {
    return decodeURIComponent(text)
  } catch {
    return undefined // Not valid percent-encoding: nothing that a page of ours links to.
  }
}
