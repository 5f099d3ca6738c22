/**
 * Signs a request anew after a proxy changed its headers, so that the server takes it: AWS Signature Version 4,
 * docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html.
 */

import { createHash, createHmac } from 'node:crypto'

/** A request to sign. */
export interface Signable {
  readonly method: string
  /** Path and query, as they are sent. */
  readonly target: string
  /** Name, value, name, value … with the old Authorization. */
  readonly headers: readonly string[]
  readonly secretAccessKey: string
}

/** The headers with a new Authorization that covers those of the signed ones that are still there. */
export function resign({ method, target, headers, secretAccessKey }: Signable): string[] {
  const values = new Map<string, string>()
  for (let index = 0; index < headers.length; index += 2)
    values.set((headers[index] ?? '').toLowerCase(), (headers[index + 1] ?? '').trim())
  const old = values.get('authorization') ?? ''
  const [, credential = '', signed = ''] = /Credential=([^,]+), SignedHeaders=([^,]+)/.exec(old) ?? []
  const [accessKeyId, ...scope] = credential.split('/')
  const names = signed.split(';').filter((name) => values.has(name))
  const [path = '', query = ''] = target.split('?')
  const request = [
    method,
    path,
    query.split('&').sort().join('&'),
    names.map((name) => `${name}:${values.get(name)}\n`).join(''),
    names.join(';'),
    values.get('x-amz-content-sha256'),
  ].join('\n')
  const hash = createHash('sha256').update(request).digest('hex')
  const toSign = ['AWS4-HMAC-SHA256', values.get('x-amz-date'), scope.join('/'), hash].join('\n')
  const hmac = (key: Buffer | string, text: string) => createHmac('sha256', key).update(text).digest()
  const key = scope.reduce<Buffer | string>(hmac, `AWS4${secretAccessKey}`)
  const signature = hmac(key, toSign).toString('hex')
  const authorization = `AWS4-HMAC-SHA256 Credential=${accessKeyId}/${scope.join('/')}, SignedHeaders=${names.join(';')}, Signature=${signature}`
  return headers.flatMap((value, index) => {
    if (index % 2 === 0) return []
    const name = headers[index - 1] ?? ''
    return name.toLowerCase() === 'authorization' ? [name, authorization] : [name, value]
  })
}
