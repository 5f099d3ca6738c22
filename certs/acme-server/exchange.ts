/** One request to the ACME server and its answer, apart from the transport. */

import type { Logger } from 'pino'
import type { Environment } from '../../store/environment.ts'
import type { OwnCa } from '../own-ca.ts'
import type { Vault } from '../vault.ts'
import type { Buckets } from './buckets.ts'
import type { NameRules } from './identifiers.ts'
import type { AccountKey } from './jwk.ts'
import type { Nonces } from './nonces.ts'
import type { Account, RecordCount } from './records.ts'
import type { Validations } from './validations.ts'

/** A request. */
export interface AcmeRequest {
  readonly method: string
  /** The path and query of its target. */
  readonly path: string
  /** `https://` and the authority that the client asked: what all URLs in answers begin with. */
  readonly origin: string
  readonly contentType: string | undefined
  /** At most `limits.acmeServer.bodyBytes`. */
  readonly body: Buffer
  /** Where it came from. */
  readonly address: string
}

/** An answer. Header names are lower case. */
export interface AcmeAnswer {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

/** The parts of one ACME server. */
export interface ServerParts {
  readonly ca: Pick<OwnCa, 'permits' | 'sign'>
  readonly vault: Vault
  readonly environment: Environment
  readonly log: Logger
  readonly nonces: Nonces
  readonly validations: Validations
  readonly names: NameRules
  /** Secrets of external accounts, by their key id; empty when anybody may make an account. */
  readonly externalAccounts: ReadonlyMap<string, Buffer>
  readonly counts: { readonly accounts: RecordCount; readonly orders: RecordCount }
  readonly budgets: {
    readonly requests: Buckets
    readonly newAccounts: Buckets
    readonly newOrders: Buckets
    readonly newOrdersOfNetwork: Buckets
    readonly failures: Buckets
  }
}

/** A request whose signature, nonce and URL were found right. */
export interface SignedRequest {
  readonly request: AcmeRequest
  readonly url: string
  readonly payload: Buffer
}

/** A request that an account has signed. */
export interface AccountRequest extends SignedRequest {
  /** The account's URL, as the request says it. */
  readonly kid: string
  readonly account: Account
  readonly key: AccountKey
}

/** A request that a key has signed which may belong to no account. */
export interface KeyRequest extends SignedRequest {
  readonly key: AccountKey
}

/** An answer of JSON. */
export function json(status: number, body: unknown, headers: Readonly<Record<string, string>> = {}): AcmeAnswer {
  return { status, headers: { 'content-type': 'application/json', ...headers }, body: JSON.stringify(body) }
}
