/** The choice of a certificate by what a client says in its ClientHello. */

import type { SecureContext, TLSSocket, TlsOptions } from 'node:tls'
import type { Asker } from '../certs/contexts.ts'
import { plainAddress } from './client-address.ts'

/** The function that Node's TLS server asks for a context. */
export type SniCallback = NonNullable<TlsOptions['SNICallback']>

/**
 * A callback for Node's TLS server from a function that answers with a context, or undefined to refuse the handshake; it
 * must not reject. Node calls it as a method of the connection (24 and 26), which its documentation does not say: without
 * that the client's address is not known, and clients are taken for those that can do everything.
 */
export function sniCallback(
  choose: (name: string, asker: Asker, socket: TLSSocket | undefined) => Promise<SecureContext | undefined>,
): SniCallback {
  return function (this: TLSSocket | undefined, name, done) {
    const asker: Asker = {
      address: plainAddress(this?.remoteAddress ?? '') || undefined,
      signatures: () => this?.getSharedSigalgs() ?? [],
    }
    void choose(lowerCase(name), asker, this).then((context) => done(null, context))
  }
}

/** ASCII alone: Unicode has letters, such as the Kelvin sign, whose lower case is ASCII. */
function lowerCase(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => letter.toLowerCase())
}
