/** References to segments and large contents as they come in from a log entry or a root: untrusted until they pass here. */

import { z } from 'zod'
import { limits } from '../../core/limits.ts'
import { blobHashSchema } from '../../core/names.ts'
import { storedBytesOf } from './bare-format.ts'
import { footerBytes, headMagic } from './format.ts'
import { wrappedBytes } from './keyring.ts'
import type { BareRef, SegmentRef } from './segment.ts'

const offsetSchema = z.int().min(headMagic.length).max(limits.segment.storedBytes)
const versionSchema = z.int().min(0)

/** The schema of a {@link SegmentRef}: offsets in order, nothing longer than a segment can be. */
export const segmentRefSchema: z.ZodType<SegmentRef> = z
  .strictObject({
    id: blobHashSchema,
    bytes: offsetSchema,
    tailOffset: offsetSchema,
    indexOffset: offsetSchema,
    indexHash: blobHashSchema,
    lo: versionSchema,
    hi: versionSchema,
  })
  .refine((ref) => ref.tailOffset <= ref.indexOffset && ref.indexOffset < ref.bytes - footerBytes, {
    error: 'expected tailOffset, indexOffset and the end in this order',
  })
  .refine((ref) => ref.lo <= ref.hi, { error: 'expected an interval, lo before hi' })

const plainBareSchema = z
  .strictObject({ id: blobHashSchema, hash: blobHashSchema, bytes: z.int(), storedBytes: z.int() })
  .refine((ref) => ref.id === ref.hash && ref.bytes === ref.storedBytes, {
    error: 'expected the object to be the content',
  })

const sealedBareSchema = z
  .strictObject({
    id: blobHashSchema,
    hash: blobHashSchema,
    bytes: z.int(),
    storedBytes: z.int(),
    seal: z.base64().length(4 * Math.ceil(wrappedBytes / 3)),
  })
  .refine((ref) => ref.storedBytes === storedBytesOf(ref.bytes), { error: 'expected the length of the sealed content' })

/** The schema of a {@link BareRef}: lengths that fit each other and the longest file. */
export const bareRefSchema: z.ZodType<BareRef> = z
  .union([plainBareSchema, sealedBareSchema])
  .refine((ref) => ref.bytes > limits.segment.bareBytes && ref.bytes <= limits.tree.fileBytes, {
    error: 'expected a content that is too large for a segment, and not for a file',
  })
