/** The members that Request and Response have of the Body mixin (Fetch Standard, section 5.3). */

import { createBlob } from './blob.ts'
import { type Body, isBodyUsed, readBytes, readText, streamOf } from './body.ts'
import { bounds } from './bounds.ts'
import { createForm, type FormData } from './form-data.ts'
import { extractMimeType, getParameter, serializeMimeType } from './mime-type.ts'
import { parseMultipart } from './multipart.ts'
import { bytes, json, objects, reflect } from './primordials.ts'
import { parseUrlencoded } from './urlencoded.ts'
import { decodeUtf8 } from './utf8.ts'

/** How the members find what they work on. Both throw a TypeError for a foreign `this`. */
export interface BodyAccess<T> {
  bodyOf(self: T): Body | null
  /** The flat header list. */
  headersOf(self: T): readonly string[]
}

/** Gives an interface the members of the mixin. It is called before `defineInterface`. */
export function defineBodyMembers<T extends object>(
  subject: abstract new (...args: never[]) => T,
  access: BodyAccess<T>,
): void {
  const { bodyOf, headersOf } = access
  const members: ThisType<T> & object = {
    get body() {
      const body = bodyOf(this as T)
      return body === null ? null : streamOf(body)
    },
    get bodyUsed() {
      const body = bodyOf(this as T)
      return body !== null && isBodyUsed(body)
    },
    async arrayBuffer() {
      return bytes.buffer(await readBytes(bodyOf(this as T)))
    },
    async blob() {
      const content = await readBytes(bodyOf(this as T))
      const type = extractMimeType(headersOf(this as T))
      return createBlob(content, type === undefined ? '' : serializeMimeType(type))
    },
    async bytes() {
      return await readBytes(bodyOf(this as T))
    },
    async formData() {
      const body = bodyOf(this as T)
      const type = extractMimeType(headersOf(this as T))
      if (type?.essence === 'application/x-www-form-urlencoded') return toForm(await readBytes(body))
      const boundary = type?.essence === 'multipart/form-data' ? getParameter(type, 'boundary') : undefined
      const content = await readBytes(body)
      if (boundary === undefined) throw new TypeError('the body is no form: its Content-Type says neither kind of form')
      return parseMultipart(content, boundary)
    },
    async json() {
      return json.parse(await readText(bodyOf(this as T)))
    },
    async text() {
      return await readText(bodyOf(this as T))
    },
  }
  const { prototype } = subject as { prototype: object }
  const keys = reflect.ownKeys(members)
  for (let index = 0; index < keys.length; index++) {
    const descriptor = objects.getOwnPropertyDescriptor(members, keys[index] as string)
    if (descriptor !== undefined) objects.defineProperty(prototype, keys[index] as string, descriptor)
  }
}

function toForm(content: Uint8Array): FormData {
  return createForm(parseUrlencoded(decodeUtf8(content), bounds.formEntries))
}
