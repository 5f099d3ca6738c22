/** The head of an answer as it goes to the host: headers that are the host's own are dropped, and what cannot be sent is refused. */

import { hopByHopHeaders } from '../../core/headers.ts'
import { bridgeLimits } from '../bridge.ts'
import { isSendableValue, listOf } from './header-list.ts'
import { limits } from './host.ts'
import { json, sets } from './primordials.ts'
import type { ResponseState } from './response.ts'

/**
 * Headers that a site does not set: those of one hop, and those by which the host frames the answer (RFC 9110 section 7.6.1,
 * RFC 9112 section 6). `date` and `server` are the site's to choose.
 */
const hostHeaders = new Set([...hopByHopHeaders, 'content-length', 'host'])

/**
 * JSON of an answer's head. It is written by hand: this is done for every answer, and a `toJSON` that the site has put somewhere
 * is not called. Throws a TypeError that says what cannot be sent.
 */
export function writeHead(state: ResponseState, hasBody: boolean): string {
  const list = listOf(state.box)
  let headers = ''
  let count = 0
  let size = 0
  for (let index = 0; index < list.length; index += 2) {
    const name = list[index] as string
    const value = list[index + 1] as string
    if (sets.has(hostHeaders, name)) continue
    count++
    size += name.length + value.length
    if (!isSendableValue(value)) throw new TypeError(`the answer has a header with a control character in it: ${name}`)
    headers += `${headers === '' ? '' : ','}${json.stringify(name)},${json.stringify(value)}`
  }
  if (count > limits.responseHeaders)
    throw new TypeError(`the answer has ${count} headers, and ${limits.responseHeaders} are allowed`)
  if (size > limits.responseHeaderBytes)
    throw new TypeError(`the headers of the answer have ${size} bytes, and ${limits.responseHeaderBytes} are allowed`)
  const head = `{"status":${state.status},"headers":[${headers}],"hasBody":${hasBody}}`
  if (head.length > bridgeLimits.headChars) throw new TypeError('the head of the answer is too large')
  return head
}
