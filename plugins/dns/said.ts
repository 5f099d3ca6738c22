/** What others say of a failure, fit to be told on: in one line, not too long, and without secrets. */

/** Characters that are told on. */
const mostChars = 300

/** A text with `•••` in place of each of the values. Longer ones first: one may be a part of another. */
export function withoutValues(text: string, values: readonly string[]): string {
  const byLength = [...values].filter((value) => value !== '').sort((a, b) => b.length - a.length)
  return byLength.reduce((clean, value) => clean.replaceAll(value, '•••'), text)
}

/** A text in one line, without what could steer a terminal. */
export function oneLine(text: string): string {
  return text
    .replace(/[\p{Cc}\p{Cf}\s]+/gu, ' ')
    .trim()
    .slice(0, mostChars)
}
