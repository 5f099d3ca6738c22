/** What every handshake with visitors agrees on: versions and ciphers. */

import { constants } from 'node:crypto'

/**
 * Options for Node's TLS servers and contexts.
 *
 * TLS 1.2 and 1.3 with forward secrecy and authenticated encryption only, which is Mozilla's intermediate set without
 * finite-field DH. ECDSA stands before RSA, since its handshake costs a server a tenth, and AES of 128 bits before that of
 * 256, since nobody breaks either. In TLS 1.2 the context's list counts and in TLS 1.3 the server's, so both get it.
 *
 * Nobody renegotiates: in TLS 1.2 a client could have the server do one handshake after the other for nothing, and Node
 * allows some.
 *
 * Groups for the key exchange are OpenSSL's own: from 3.5 on (Node 24 and 26) X25519MLKEM768 is its first choice, and
 * whoever records a connection now cannot read it with a quantum computer later. A list of our own would only grow old.
 */
export const tlsParameters = {
  minVersion: 'TLSv1.2',
  secureOptions: constants.SSL_OP_NO_RENEGOTIATION,
  ciphers: [
    'TLS_AES_128_GCM_SHA256',
    'TLS_AES_256_GCM_SHA384',
    'TLS_CHACHA20_POLY1305_SHA256',
    'ECDHE-ECDSA-AES128-GCM-SHA256',
    'ECDHE-ECDSA-AES256-GCM-SHA384',
    'ECDHE-ECDSA-CHACHA20-POLY1305',
    'ECDHE-RSA-AES128-GCM-SHA256',
    'ECDHE-RSA-AES256-GCM-SHA384',
    'ECDHE-RSA-CHACHA20-POLY1305',
  ].join(':'),
} as const
