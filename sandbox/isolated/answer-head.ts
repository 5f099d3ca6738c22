/** Reads the head of an answer that site code gave, which can be anything: what is wrong is told to the author in words. */

import { isValidHeader } from '../../core/headers.ts'
import { limits as bounds } from '../../core/limits.ts'
import type { SandboxLimits } from '../../core/sandbox-limits.ts'
import type { AnswerHead } from '../bridge-shapes.ts'

/** The head in a text, or why it cannot be sent. The text itself goes to the front, so it has to fit into a frame. */
export function readAnswerHead(text: string, limits: SandboxLimits): AnswerHead | string {
  if (text.length > bounds.sandboxLink.headBytes / 3 && Buffer.byteLength(text) > bounds.sandboxLink.headBytes)
    return 'the head of the answer is too large'
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    return 'the head of the answer cannot be read'
  }
  if (typeof value !== 'object' || value === null) return 'the head of the answer cannot be read'
  const { status, headers, hasBody } = value as Partial<AnswerHead>
  if (!Number.isInteger(status) || status === undefined || !(status === 101 || (status >= 200 && status <= 599)))
    return `the status of the answer is ${typeof status === 'number' ? status : 'no number'}, not 200 to 599`
  if (typeof hasBody !== 'boolean' || !Array.isArray(headers) || headers.length % 2 !== 0)
    return 'the head of the answer cannot be read'
  if (headers.length > 2 * limits.responseHeaders)
    return `the answer has ${headers.length / 2} headers, at most ${limits.responseHeaders} are allowed`
  return faultOfHeaders(headers, limits) ?? { status, headers, hasBody }
}

function faultOfHeaders(headers: readonly unknown[], limits: SandboxLimits): string | undefined {
  let chars = 0
  for (let i = 0; i < headers.length; i += 2) {
    const name = headers[i]
    const value = headers[i + 1]
    if (typeof name !== 'string' || typeof value !== 'string') return 'the head of the answer cannot be read'
    chars += name.length + value.length
    if (chars > limits.responseHeaderBytes)
      return `the headers of the answer have more than ${limits.responseHeaderBytes} bytes`
    if (!isValidHeader(name, value) || name !== name.toLowerCase())
      return `the answer has a header that cannot be sent: ${JSON.stringify(name.slice(0, 100))}`
  }
  return undefined
}
