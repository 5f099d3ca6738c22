/**
 * Requests to one bucket: a bounded number at a time, each waited for with patience and tried again when that is worth
 * it. Nothing here knows what an object is.
 */

import { getCACertificates } from 'node:tls'
import { S3Client } from '@aws-sdk/client-s3'
import { createTurnstile } from '../../core/turnstile.ts'
import type { Environment } from '../environment.ts'
import { createPatience, type Patience } from './patience.ts'
import { readFailure, toS3Error } from './s3-failure.ts'
import { type ObjectsBounds, placeOf, type S3Options } from './s3-options.ts'
import { createTries, type Tries } from './tries.ts'

/** What kind of request it is, for the count. */
export type RequestKind = 'PUT' | 'GET' | 'HEAD' | 'LIST' | 'DELETE'

/** A request as it is about to be made. */
export interface Request {
  readonly kind: RequestKind
  readonly key: string
  /** Bytes that go, for the time that it may take. @default 0 */
  readonly bytes?: number
}

/** Makes one try of a request with the client. What it throws decides whether there is another. */
export type Try<Answer> = (client: S3Client, patience: Patience) => Promise<Answer>

/** A bucket that takes requests. */
export interface BucketRequests {
  readonly env: Environment
  readonly options: S3Options
  readonly bounds: ObjectsBounds
  readonly place: string
  /** Keyed by kind. */
  readonly counts: Readonly<Record<RequestKind, number>>
  /** Makes a request when it is its turn, with all its tries. Rejects with what a GroveError of a try says, or `ERR_OBJECTS`. */
  ask<Answer>(request: Request, once: Try<Answer>): Promise<Answer>
  /** Runs something when it is its turn. */
  inTurn<Answer>(work: () => Promise<Answer>): Promise<Answer>
  /** One try, counted; the caller sees to its turn, to further tries and to the end of the patience. */
  tryOnce<Answer>(
    request: Request,
    once: Try<Answer>,
  ): Promise<{ readonly answer: Answer; readonly patience: Patience }>
  /** Resolves when it is time for another try; rejects as {@link BucketRequests.ask} does when there is none. */
  retry(request: Request, tries: Tries, thrown: unknown): Promise<void>
  close(): void
}

const verbs: Readonly<Record<RequestKind, string>> = {
  PUT: 'put',
  GET: 'get',
  HEAD: 'look for',
  LIST: 'list',
  DELETE: 'delete',
}

/** Makes ready for requests to a bucket. Sends none. */
export function createRequests(options: S3Options, env: Environment, bounds: ObjectsBounds): BucketRequests {
  const client = createClient(options, bounds)
  const place = placeOf(options)
  const counts: Record<RequestKind, number> = { PUT: 0, GET: 0, HEAD: 0, LIST: 0, DELETE: 0 }
  const line = createTurnstile({ parallel: bounds.parallel, most: bounds.waiting, what: `requests to ${place}` })

  async function tryOnce<Answer>({ kind, bytes = 0 }: Request, once: Try<Answer>) {
    const patience = createPatience(env, bounds.answerMs + transferMs(bounds, bytes))
    counts[kind] += 1
    try {
      return { answer: await once(client, patience), patience }
    } catch (thrown) {
      patience.end('abort')
      throw patience.failure ?? thrown
    }
  }

  async function retry({ kind, key }: Request, tries: Tries, thrown: unknown): Promise<void> {
    const error = toS3Error({ verb: verbs[kind], key, place, endpoint: options.endpoint }, thrown)
    if (error === thrown || !readFailure(thrown).isTemporary || !(await tries.again())) throw error
  }

  return {
    env,
    options,
    bounds,
    place,
    counts,
    tryOnce,
    retry,
    inTurn: (work) => line.run(work),
    ask(request, once) {
      return line.run(async () => {
        const tries = createTries(env, bounds)
        for (;;) {
          try {
            const { answer, patience } = await tryOnce(request, once)
            patience.end()
            return answer
          } catch (thrown) {
            await retry(request, tries, thrown)
          }
        }
      })
    },
    close: () => client.destroy(),
  }
}

/** The longest that so many bytes may take. */
export function transferMs(bounds: ObjectsBounds, bytes: number): number {
  return (bytes / bounds.minBytesPerSecond) * 1_000
}

/** Everything that the client could take from somebody's environment or home folder is said here instead. */
function createClient(options: S3Options, bounds: ObjectsBounds): S3Client {
  const { endpoint, region = 'us-east-1', pathStyle = true, accessKeyId, secretAccessKey, roots } = options
  return new S3Client({
    endpoint,
    region,
    forcePathStyle: pathStyle,
    credentials: { accessKeyId, secretAccessKey },
    // Own tries: the client's would repeat a conditional put whose answer was lost, and report the 412 of its own success.
    maxAttempts: 1,
    retryMode: 'standard',
    defaultsMode: 'standard',
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
    // With it the client opens a connection for each large put, and without the private roots.
    expectContinueHeader: false,
    useDualstackEndpoint: false,
    useFipsEndpoint: false,
    useArnRegion: false,
    disableMultiregionAccessPoints: true,
    disableS3ExpressSessionAuth: true,
    followRegionRedirects: false,
    userAgentAppId: 'grove',
    // What it has to say comes as errors.
    logger: { trace() {}, debug() {}, info() {}, warn() {}, error() {} },
    requestHandler: {
      connectionTimeout: bounds.connectMs,
      // The waiting for answers is the patience's: it does not count the time that a reader takes.
      requestTimeout: 0,
      socketTimeout: 0,
      httpsAgent: {
        maxSockets: bounds.sockets,
        ...(roots !== undefined && { ca: [...getCACertificates('default'), roots] }),
      },
      httpAgent: { maxSockets: bounds.sockets },
    },
  })
}
