/** A name server for tests that answers whatever a test wants, right or wrong, over UDP and TCP. */

import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { createServer } from 'node:net'
import type { Test } from 'tap'

/** A question as the server sees it. */
export interface Question {
  readonly name: string
  readonly type: keyof typeof types
  readonly transport: 'udp' | 'tcp'
  /** The address that it was asked at. */
  readonly address: string
  /** The whole message. */
  readonly query: Buffer
}

/** One record of an answer. */
export interface Answer {
  readonly type: keyof typeof types
  /** The data: an address, a name, or the pieces of a text. */
  readonly data: string | readonly string[]
  /** Default: the name that was asked for. */
  readonly name?: string
}

/** What is answered: records, a code, and what else is odd about it. Bytes are sent as they are. */
export type Reply =
  | {
      readonly answers?: readonly Answer[]
      readonly code?: number
      readonly truncated?: boolean
      readonly id?: number
      readonly cut?: number
    }
  | Buffer
  | readonly Buffer[]
  | 'silent'
  /** TCP: the connection ends. UDP: as silent. */
  | 'close'

/** A running server. */
export interface FaultyDns {
  readonly port: number
  /** Of the first address. */
  readonly server: string
  /** `TXT name udp 127.0.0.1` of every question. */
  readonly questions: string[]
}

export const codes = { noError: 0, formErr: 1, servFail: 2, nxDomain: 3, notImp: 4, refused: 5 } as const
const types = { A: 1, NS: 2, CNAME: 5, SOA: 6, TXT: 16, AAAA: 28, other: 0 } as const

/** Starts a server that ends with the test, at one port of some loopback addresses. Default: a free one of 127.0.0.1. */
export async function startFaultyDns(
  t: Pick<Test, 'teardown'>,
  answer: (question: Question) => Reply,
  {
    addresses = ['127.0.0.1'],
    port: wanted = 0,
  }: { readonly addresses?: readonly string[]; readonly port?: number } = {},
): Promise<FaultyDns> {
  const questions: string[] = []
  let port = wanted
  const reply = (query: Buffer, transport: Question['transport'], address: string): Buffer[] | 'close' => {
    const { name, type } = readQuestion(query)
    questions.push(`${type} ${name} ${transport} ${address}`)
    const said = answer({ name, type, transport, address, query })
    if (said === 'silent') return []
    if (said === 'close') return said
    if (Buffer.isBuffer(said)) return [said]
    return Array.isArray(said)
      ? [...said]
      : [writeReply(query, said as Exclude<Reply, string | Buffer | readonly Buffer[]>)]
  }
  for (const address of addresses) {
    for (let tries = 1; ; tries += 1) {
      const udp = createSocket('udp4')
      const tcp = createServer((socket) => {
        socket.on('error', () => undefined)
        t.teardown(() => socket.destroy())
        let bytes: Buffer = Buffer.alloc(0)
        socket.on('data', (piece: Buffer) => {
          bytes = Buffer.concat([bytes, piece])
          if (bytes.length < 2 || bytes.length < 2 + bytes.readUInt16BE(0)) return
          const said = reply(bytes.subarray(2, 2 + bytes.readUInt16BE(0)), 'tcp', address)
          bytes = bytes.subarray(2 + bytes.readUInt16BE(0))
          if (said === 'close') socket.destroy()
          else
            for (const message of said) {
              const length = Buffer.alloc(2)
              length.writeUInt16BE(Math.min(message.length, 65_535))
              socket.write(Buffer.concat([length, message]))
            }
        })
      })
      try {
        tcp.listen(port, address)
        await once(tcp, 'listening')
        const { port: taken } = tcp.address() as { port: number }
        udp.bind(taken, address)
        await once(udp, 'listening')
        port = taken
      } catch (error) {
        // The other transport, or another address, may have the port taken.
        tcp.close()
        if (tries === 10 || port !== 0) throw error
        continue
      }
      udp.on('message', (query, from) => {
        const said = reply(query, 'udp', address)
        if (said !== 'close') for (const message of said) udp.send(message, from.port, from.address)
      })
      t.teardown(() => udp.close())
      t.teardown(() => tcp.close())
      break
    }
  }
  return { port, server: `${addresses[0]}:${port}`, questions }
}

/** An answer to a query. */
export function writeReply(
  query: Buffer,
  { answers = [], code = 0, truncated = false, id, cut }: Exclude<Reply, string | Buffer | readonly Buffer[]>,
): Buffer {
  const { endOffset } = readQuestion(query)
  const head = Buffer.from(query.subarray(0, 12))
  head.writeUInt16BE(id ?? query.readUInt16BE(0), 0)
  head.writeUInt16BE(0x8480 | (truncated ? 0x0200 : 0) | code, 2)
  head.writeUInt16BE(answers.length, 6)
  head.writeUInt32BE(0, 8)
  const message = Buffer.concat([head, query.subarray(12, endOffset), ...answers.map(writeAnswer)])
  return cut === undefined ? message : message.subarray(0, cut)
}

function writeAnswer({ type, data, name }: Answer): Buffer {
  const bytes = toData(type, data)
  const fixed = Buffer.alloc(10)
  fixed.writeUInt16BE(types[type], 0)
  fixed.writeUInt16BE(1, 2)
  fixed.writeUInt32BE(1, 4)
  fixed.writeUInt16BE(bytes.length, 8)
  return Buffer.concat([name === undefined ? Buffer.of(0xc0, 12) : writeName(name), fixed, bytes])
}

function toData(type: Answer['type'], data: Answer['data']): Buffer {
  if (type === 'TXT') {
    const pieces = typeof data === 'string' ? [data] : data
    return Buffer.concat(pieces.flatMap((piece) => [Buffer.of(piece.length), Buffer.from(piece, 'latin1')]))
  }
  const text = String(data)
  if (type === 'A') return Buffer.from(text.split('.').map(Number))
  if (type === 'AAAA') return toIPv6Data(text)
  return writeName(text)
}

function toIPv6Data(text: string): Buffer {
  const [left = [], right = []] = text.split('::').map((half) => half.split(':').filter((group) => group !== ''))
  const zeros = Array<string>(8 - left.length - right.length).fill('0')
  const groups = [...left, ...zeros, ...right].map((group) => Number.parseInt(group, 16))
  return Buffer.from(groups.flatMap((group) => [group >> 8, group & 0xff]))
}

function writeName(name: string): Buffer {
  const labels = name.split('.').filter((label) => label !== '')
  return Buffer.concat([
    ...labels.flatMap((label) => [Buffer.of(label.length), Buffer.from(label, 'latin1')]),
    Buffer.of(0),
  ])
}

function readQuestion(query: Buffer): { name: string; type: Question['type']; endOffset: number } {
  const labels: string[] = []
  let offset = 12
  for (let size = query.readUInt8(offset); size > 0; size = query.readUInt8(offset)) {
    labels.push(query.toString('latin1', offset + 1, offset + 1 + size))
    offset += size + 1
  }
  const number = query.readUInt16BE(offset + 1)
  const type = (Object.entries(types).find(([, value]) => value === number)?.[0] ?? 'other') as Question['type']
  return { name: labels.join('.').toLowerCase(), type, endOffset: offset + 5 }
}
