/** Errors as ACME tells them: problem documents (RFC 7807) of the types of RFC 8555 section 6.7. */

import { type ErrorCode, GroveError } from '../../core/errors.ts'

/** Every type that this server answers, with its status. Keyed by the last part of the type's URN. */
const statuses = {
  accountDoesNotExist: 400,
  alreadyRevoked: 400,
  badCSR: 400,
  badNonce: 400,
  badPublicKey: 400,
  badRevocationReason: 400,
  badSignatureAlgorithm: 400,
  connection: 400,
  dns: 400,
  externalAccountRequired: 403,
  incorrectResponse: 403,
  invalidContact: 400,
  malformed: 400,
  orderNotReady: 403,
  rateLimited: 429,
  rejectedIdentifier: 400,
  serverInternal: 500,
  tls: 400,
  unauthorized: 403,
  unsupportedContact: 400,
  unsupportedIdentifier: 400,
} as const

/** The last part of a problem's type. */
export type ProblemType = keyof typeof statuses

/** What a problem says besides its type and its sentence. */
export interface ProblemOptions {
  /** @default the status of the type */
  readonly status?: number
  /** Further members of the document, such as `algorithms` or `subproblems`. */
  readonly members?: Readonly<Record<string, unknown>>
  readonly headers?: Readonly<Record<string, string>>
  readonly cause?: unknown
}

/** A problem as it is sent and kept. `detail` is for the person who runs the client. */
export interface Problem {
  readonly type: string
  readonly status: number
  readonly detail: string
  readonly [member: string]: unknown
}

const prefix = 'urn:ietf:params:acme:error:'

/** An error that is told to the client as it is: `ERR_ACME` with the problem in its details. */
export function problem(type: ProblemType, detail: string, options: ProblemOptions = {}): GroveError {
  const { status = statuses[type], members, headers, cause } = options
  return new GroveError('ERR_ACME', detail, {
    ...(cause !== undefined && { cause }),
    details: { type, status, ...(members && { members }), ...(headers && { headers }) },
  })
}

/** What is told of errors that other parts throw. All others are ours, and nothing is told of them. */
const known: Partial<Record<ErrorCode, ProblemType>> = {
  ERR_CERT_NAME: 'rejectedIdentifier',
  ERR_TOO_MANY: 'rateLimited',
  ERR_TIMEOUT: 'connection',
}

/** Any thrown value as the problem that the client gets, and the headers that go with it. */
export function toProblem(thrown: unknown): { problem: Problem; headers: Readonly<Record<string, string>> } {
  const details = thrown instanceof GroveError && thrown.code === 'ERR_ACME' ? thrown.details : undefined
  if (thrown instanceof GroveError && details) {
    const { type, status, members, headers } = details as unknown as Required<ProblemOptions> & { type: string }
    return { problem: { type: `${prefix}${type}`, status, detail: thrown.message, ...members }, headers: headers ?? {} }
  }
  const type = (thrown instanceof GroveError && known[thrown.code]) || 'serverInternal'
  const detail = type === 'serverInternal' ? 'the server failed' : (thrown as GroveError).message
  return {
    problem: { type: `${prefix}${type}`, status: statuses[type], detail },
    headers: type === 'rateLimited' ? { 'retry-after': '10' } : {},
  }
}
