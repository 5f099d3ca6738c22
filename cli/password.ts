/** Reading a password or a secret: from a terminal without echo, or from standard input for scripts. Never from an argument. */

import { GroveError } from '../core/errors.ts'
import { limits } from '../core/limits.ts'
import { sandboxBounds } from '../core/sandbox-limits.ts'
import type { Terminal } from './terminal.ts'

/** What is read, for people. */
interface Asked {
  readonly what: string
  readonly mostBytes: number
}

const password: Asked = { what: 'password', mostBytes: limits.cli.passwordBytes }

/**
 * The password that the caller gives. On a terminal it is asked for twice and not shown; with `fromStdin` it is all of
 * standard input less one line end. Throws `ERR_BAD_REQUEST` when there is none, too much, or the two differ.
 */
export async function readPassword(terminal: Terminal, fromStdin: boolean): Promise<string> {
  if (fromStdin) return await readAll(terminal, password)
  if (terminal.stdin.isTTY !== true)
    throw new GroveError('ERR_BAD_REQUEST', 'there is no terminal to ask for the password', {
      hint: 'send it with --password-stdin',
    })
  return await askTwice(terminal, password)
}

/**
 * The value of a secret that the caller gives: asked for twice on a terminal and not shown, or all of standard input less
 * one line end. Throws as {@link readPassword} does.
 */
export async function readSecretValue(terminal: Terminal): Promise<string> {
  const asked = { what: 'value', mostBytes: sandboxBounds.varBytes.most }
  return terminal.stdin.isTTY === true ? await askTwice(terminal, asked) : await readAll(terminal, asked)
}

async function askTwice(terminal: Terminal, asked: Asked): Promise<string> {
  const { what } = asked
  const first = await ask(terminal, `${what.charAt(0).toUpperCase()}${what.slice(1)}: `, asked)
  if (first === '') throw new GroveError('ERR_BAD_REQUEST', `no ${what} was given`)
  const second = await ask(terminal, 'Again: ', asked)
  if (first === second) return first
  throw new GroveError('ERR_BAD_REQUEST', `the two ${what}s differ`, { hint: 'nothing was changed; try again' })
}

async function readAll({ stdin }: Terminal, { what, mostBytes }: Asked): Promise<string> {
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of stdin as AsyncIterable<Buffer | string>) {
    const buffer = Buffer.from(chunk as Buffer)
    bytes += buffer.length
    if (bytes > mostBytes) throw new GroveError('ERR_BAD_REQUEST', `a ${what} of more than ${mostBytes} bytes`)
    chunks.push(buffer)
  }
  const text = Buffer.concat(chunks)
    .toString('utf8')
    .replace(/\r?\n$/, '')
  if (text === '') throw new GroveError('ERR_BAD_REQUEST', `standard input held no ${what}`)
  return text
}

/** In raw mode the terminal shows nothing by itself, and sends keys instead of doing what they mean. */
function ask({ stdin, stderr }: Terminal, prompt: string, { what, mostBytes }: Asked): Promise<string> {
  return new Promise((resolve, reject) => {
    const decoder = new TextDecoder()
    let typed: string[] = []
    const finish = (settle: () => void) => {
      stdin.off('data', onData)
      stdin.setRawMode?.(false)
      stdin.pause()
      stderr.write('\n')
      settle()
    }
    const onData = (chunk: Buffer | string) => {
      for (const key of typeof chunk === 'string' ? chunk : decoder.decode(chunk, { stream: true })) {
        if (key === '\r' || key === '\n') return finish(() => resolve(typed.join('')))
        if (key === '\u0003' || key === '\u0004')
          return finish(() => reject(new GroveError('ERR_BAD_REQUEST', `no ${what} was given`)))
        if (key === '\u007f' || key === '\b') typed.pop()
        else if (key === '\u0015') typed = []
        else if (typed.length < mostBytes) typed.push(key)
      }
    }
    stderr.write(prompt)
    stdin.setRawMode?.(true)
    stdin.on('data', onData)
    stdin.resume()
  })
}
