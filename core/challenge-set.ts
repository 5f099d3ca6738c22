/**
 * Answers to the challenges of CAs, as control tells them to fronts: all that may be asked for at one moment.
 *
 * What stands here is made by control and shown to anybody who asks, so nothing of it is a secret but the keys of
 * challenge certificates, which are worth nothing outside their handshake.
 */

import { z } from 'zod'
import { limits } from './limits.ts'

/** The only protocol that a handshake of tls-alpn-01 agrees on (RFC 8737 section 6.2). */
export const acmeTlsProtocol = 'acme-tls/1'

const most = limits.challenges.most

/** All answers to challenges that are asked for now. */
export const challengeSetSchema = z.object({
  /** Answers of http-01 (RFC 8555 section 8.3). The token is base64url, so it can never be more than one part of a path. */
  http: z
    .array(
      z.object({
        token: z.string().regex(/^[\w-]{1,512}$/),
        /** Goes out as it is: visible ASCII. */
        keyAuthorization: z.string().regex(/^[!-~]{1,1024}$/),
      }),
    )
    .max(most),
  /** Certificates of tls-alpn-01 (RFC 8737 section 3), one for each name, lower case. PEM. */
  tlsAlpn: z
    .array(
      z.object({
        name: z.string().max(253),
        chain: z.string().max(limits.challenges.certificateBytes),
        key: z.string().max(limits.challenges.certificateBytes),
      }),
    )
    .max(most),
})
/** All answers to challenges that are asked for now. */
export type ChallengeSet = z.output<typeof challengeSetSchema>
