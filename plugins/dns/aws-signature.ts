/**
 * Signs requests to AWS in their headers (Signature Version 4,
 * docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html).
 *
 * Own code, because the signer of AWS's client is a package with a dozen others behind it, and this is all of it that
 * one API needs: no body but text, no query that was not written sorted and encoded.
 */

import { createHash, createHmac } from 'node:crypto'

/** Credentials of AWS. */
export interface AwsCredentials {
  readonly accessKeyId: string
  readonly secretAccessKey: string
  /** Of temporary credentials. */
  readonly sessionToken?: string | undefined
}

/** What is signed. */
export interface AwsRequest {
  readonly method: string
  /** Path and query; names and values encoded, sorted by name. */
  readonly url: URL
  readonly body: string
  readonly region: string
  readonly service: string
  readonly timeMs: number
}

/** The headers that a request needs besides its own: the time, the signature, and the session's token. */
export function signAws(request: AwsRequest, credentials: AwsCredentials): Record<string, string> {
  const { method, url, body, region, service, timeMs } = request
  const { accessKeyId, secretAccessKey, sessionToken } = credentials
  const time = new Date(timeMs).toISOString().replace(/[-:]|\.\d{3}/g, '')
  const day = time.slice(0, 8)
  const headers: Record<string, string> = {
    host: url.host,
    'x-amz-date': time,
    ...(sessionToken !== undefined && { 'x-amz-security-token': sessionToken }),
  }
  const names = Object.keys(headers).sort()
  const canonical = [
    method,
    url.pathname,
    url.search.slice(1),
    names.map((name) => `${name}:${headers[name]}\n`).join(''),
    names.join(';'),
    sha256(body),
  ].join('\n')
  const scope = `${day}/${region}/${service}/aws4_request`
  const key = [day, region, service, 'aws4_request'].reduce<Buffer | string>(hmac, `AWS4${secretAccessKey}`)
  const signature = hmac(key, ['AWS4-HMAC-SHA256', time, scope, sha256(canonical)].join('\n')).toString('hex')
  const { host: _sentAnyway, ...sent } = headers
  return {
    ...sent,
    authorization: `AWS4-HMAC-SHA256 Credential=${accessKeyId}/${scope}, SignedHeaders=${names.join(';')}, Signature=${signature}`,
  }
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}

function hmac(key: Buffer | string, text: string): Buffer {
  return createHmac('sha256', key).update(text).digest()
}
