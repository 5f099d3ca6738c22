/**
 * Media types: from a file's name alone, never from its content, so that what a file is cannot be changed by what is in
 * it; with `x-content-type-options: nosniff` a browser does not guess either.
 */

import { mimes } from 'mrmime'

/** The type of what is not known: a browser offers it for saving and runs nothing of it. */
export const unknownType = 'application/octet-stream'

/** Types that the table of the package leaves out because their registered names have a vendor prefix. */
const furtherTypes: ReadonlyMap<string, string> = new Map([
  ['7z', 'application/x-7z-compressed'],
  ['apk', 'application/vnd.android.package-archive'],
  ['bz2', 'application/x-bzip2'],
  ['docx', 'application/vnd.openxmlformats-officedocument.wordprocessingml.document'],
  ['eot', 'application/vnd.ms-fontobject'],
  ['flac', 'audio/flac'],
  ['ico', 'image/vnd.microsoft.icon'],
  ['jsonl', 'application/jsonl'],
  ['kml', 'application/vnd.google-earth.kml+xml'],
  ['m3u8', 'application/vnd.apple.mpegurl'],
  ['m4v', 'video/mp4'],
  ['mkv', 'video/matroska'],
  ['ndjson', 'application/x-ndjson'],
  ['odp', 'application/vnd.oasis.opendocument.presentation'],
  ['ods', 'application/vnd.oasis.opendocument.spreadsheet'],
  ['odt', 'application/vnd.oasis.opendocument.text'],
  ['pptx', 'application/vnd.openxmlformats-officedocument.presentationml.presentation'],
  // Compressed by itself: called an image it would need a Content-Encoding that nobody can know from the name.
  ['svgz', 'application/gzip'],
  ['tar', 'application/x-tar'],
  ['tgz', 'application/gzip'],
  ['xlsx', 'application/vnd.openxmlformats-officedocument.spreadsheetml.sheet'],
  ['xz', 'application/x-xz'],
  ['zst', 'application/zstd'],
])

/** Text under a type that is not `text/`: gets a charset and is worth compressing. */
const textTypes: ReadonlySet<string> = new Set([
  'application/ecmascript',
  'application/javascript',
  'application/json',
  'application/json5',
  'application/jsonl',
  'application/n-quads',
  'application/n-triples',
  'application/sql',
  'application/toml',
  'application/x-ndjson',
  'application/xml',
  'application/xml-dtd',
])

/** Not text, and yet much smaller when compressed. */
const compressibleTypes: ReadonlySet<string> = new Set([
  'application/postscript',
  'application/vnd.ms-fontobject',
  'application/wasm',
  'application/x-tar',
  'font/collection',
  'font/otf',
  'font/ttf',
  'image/bmp',
  'image/vnd.microsoft.icon',
])

/**
 * The media type of a file by the extension of its name, with `; charset=utf-8` where it is text (RFC 9110 section
 * 8.3); {@link unknownType} for an extension that is not known, and for a name without one.
 */
export function mediaTypeOf(path: string): string {
  const type = typeByExtension(extensionOf(path))
  return isText(type) ? `${type}; charset=utf-8` : type
}

/** Whether files of a media type get smaller in a content coding. Takes it with or without parameters. */
export function isCompressible(type: string): boolean {
  const essence = essenceOf(type)
  return isText(essence) || compressibleTypes.has(essence)
}

/** Whether a media type, with or without parameters, is a page that a browser shows as HTML. */
export function isHtml(type: string): boolean {
  const essence = essenceOf(type)
  return essence === 'text/html' || essence === 'application/xhtml+xml'
}

function typeByExtension(extension: string): string {
  const further = furtherTypes.get(extension)
  if (further !== undefined) return further
  // Own properties only: the package's table is a plain object, and a file may be called "x.constructor".
  return (Object.hasOwn(mimes, extension) ? mimes[extension] : undefined) ?? unknownType
}

/** The extension in lower case without its dot. A name that only starts with a dot (`.htaccess`) has none. */
function extensionOf(path: string): string {
  const name = path.slice(path.lastIndexOf('/') + 1)
  const dot = name.lastIndexOf('.')
  return dot <= 0 ? '' : name.slice(dot + 1).toLowerCase()
}

function essenceOf(type: string): string {
  const end = type.indexOf(';')
  return (end === -1 ? type : type.slice(0, end)).trim().toLowerCase()
}

function isText(essence: string): boolean {
  return essence.startsWith('text/') || essence.endsWith('+json') || essence.endsWith('+xml') || textTypes.has(essence)
}
