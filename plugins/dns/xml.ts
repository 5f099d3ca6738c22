/**
 * As much of XML as answers of one API need: the content of elements by name, and the five entities. Not for documents of
 * strangers: no namespaces, comments, CDATA or elements inside others of the same name.
 */

const entities: Readonly<Record<string, string>> = { lt: '<', gt: '>', amp: '&', quot: '"', apos: "'" }

/** What stands inside each element of a name, in order, as it is written. */
export function partsOf(xml: string, name: string): string[] {
  const parts: string[] = []
  const end = `</${name}>`
  const begin = new RegExp(`<${name}(?: [^>]*)?>`, 'g')
  for (let found = begin.exec(xml); found; found = begin.exec(xml)) {
    const to = xml.indexOf(end, begin.lastIndex)
    if (to === -1) break
    parts.push(xml.slice(begin.lastIndex, to))
    begin.lastIndex = to + end.length
  }
  return parts
}

/** A text with its entities replaced. */
export function fromXml(text: string): string {
  return text.replace(/&(?:(lt|gt|amp|quot|apos)|#(\d{1,7})|#x([0-9a-f]{1,6}));/gi, (whole, name, decimal, hex) => {
    if (name !== undefined) return entities[name.toLowerCase()] ?? whole
    const code = decimal === undefined ? Number.parseInt(hex, 16) : Number(decimal)
    return code <= 0x10ffff ? String.fromCodePoint(code) : whole
  })
}

/** A text as the content of an element. */
export function toXml(text: string): string {
  return text.replace(/[<>&"']/g, (sign) => `&${Object.keys(entities).find((name) => entities[name] === sign)};`)
}
