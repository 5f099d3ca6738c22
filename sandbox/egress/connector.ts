/**
 * Connections for site code: to an address that was checked a moment before, and to no other.
 *
 * undici takes a host's name into its own hands only to ask this connector; there is no second look-up, and an address
 * in a URL, for which Node asks no look-up at all, is checked here once more.
 */

import { isIP, type LookupFunction } from 'node:net'
import { getCACertificates } from 'node:tls'
import { buildConnector } from 'undici'
import { GroveError } from '../../core/errors.ts'
import { limits } from '../../core/limits.ts'
import { type AddressCheck, canonicalAddress } from './addresses.ts'
import type { OwnPlace } from './policy.ts'
import { refused } from './refusal.ts'
import type { NameResolver } from './resolve.ts'

/** What connections are made with. */
export interface EgressConnectorOptions {
  readonly check: AddressCheck
  readonly names: NameResolver
  /** Where hosts of our own are answered, see `EgressPolicy.own`. */
  readonly own?: ((hostname: string, port: number) => OwnPlace | undefined) | undefined
  /** Certificates (PEM) of authorities that are trusted beside the usual ones: the own CA, for the own sites. */
  readonly ca?: string | undefined
}

/** A connector for undici: HTTP/1.1 only, TLS verified against the name in the URL. */
export function createEgressConnector({ check, names, own, ca }: EgressConnectorOptions): buildConnector.connector {
  const lookup: LookupFunction = (hostname, { all }, callback) => {
    names.resolve(hostname).then(
      (addresses) => {
        const [first] = addresses
        if (all) callback(null, [...addresses])
        else callback(null, first?.address ?? '', first?.family)
      },
      (error: Error) => callback(error, ''),
    )
  }
  const connect = buildConnector({
    allowH2: false,
    timeout: limits.egress.connectTimeoutMs,
    lookup,
    autoSelectFamily: true,
    ...(ca !== undefined && { ca: [...getCACertificates('default'), ca] }),
  })
  return (options, callback) => {
    const { hostname, protocol } = options
    const port = Number(options.port) || (protocol === 'https:' ? 443 : 80)
    const place = own?.(hostname, port)
    if (place) {
      connect({ ...options, hostname: place.address, port: String(place.port), servername: hostname }, callback)
      return
    }
    if (isIP(hostname) !== 0 && !check.isAllowed(hostname)) {
      callback(refused(`${hostname} is not a public address`), null)
      return
    }
    // An address is no server name (RFC 6066 section 3).
    connect({ ...options, servername: isIP(hostname) === 0 ? hostname : '' }, (error, socket) => {
      if (error) {
        callback(error, null)
        return
      }
      // Nothing is known that could bring a connection elsewhere; if there is something, it ends here.
      const reached = canonicalAddress(socket.remoteAddress ?? '')
      if (reached === undefined || !check.isAllowed(reached)) {
        socket.destroy()
        callback(new GroveError('ERR_FETCH_REFUSED', `${hostname} has no public address`), null)
        return
      }
      // undici takes a reset for the end of an answer that is as long as its connection. It is a cut, and a cut answer
      // must never look whole; under another code undici treats it as the failure that it is.
      socket.prependListener('error', (fault: NodeJS.ErrnoException) => {
        if (fault.code === 'ECONNRESET') fault.code = 'ERR_EGRESS_RESET'
      })
      callback(null, socket)
    })
  }
}
