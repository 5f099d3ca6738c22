/** Base64url as JOSE writes it (RFC 7515 section 2): no padding, and one spelling for each content. */

/**
 * The bytes of a text, or undefined for what is not base64url. Texts with padding, other characters, or unused bits that
 * are not zero are refused: two spellings of one message would be two messages to whoever compares texts.
 */
export function fromBase64url(text: unknown): Buffer | undefined {
  if (typeof text !== 'string' || !/^[\w-]*$/.test(text)) return undefined
  const bytes = Buffer.from(text, 'base64url')
  return bytes.toString('base64url') === text ? bytes : undefined
}
