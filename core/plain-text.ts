/** Texts of strangers that are shown to people. */

// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is taken out
const controlPattern = /[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g

/**
 * A text on one line, with a replacement character for whatever a terminal would act upon: control characters, line
 * breaks, and marks that turn the direction of writing.
 */
export function toPlainText(text: string): string {
  return text.replace(controlPattern, '\ufffd')
}
