/** Reading a password: from a terminal without echo, or from standard input for scripts. Never from an argument. */

import { GroveError } from '../core/errors.ts'
import { limits } from '../core/limits.ts'
import type { Terminal } from './terminal.ts'

/**
 * The password that the caller gives. On a terminal it is asked for twice and not shown; with `fromStdin` it is all of
 * standard input less one line end. Throws `ERR_BAD_REQUEST` when there is none, too much, or the two differ.
 */
export async function readPassword(terminal: Terminal, fromStdin: boolean): Promise<string> {
  if (fromStdin) return await readAll(terminal)
  if (terminal.stdin.isTTY !== true)
    throw new GroveError('ERR_BAD_REQUEST', 'there is no terminal to ask for the password', {
      hint: 'send it with --password-stdin',
    })
  const first = await ask(terminal, 'Password: ')
  if (first === '') throw new GroveError('ERR_BAD_REQUEST', 'no password was given')
  const second = await ask(terminal, 'Again: ')
  if (first === second) return first
  throw new GroveError('ERR_BAD_REQUEST', 'the two passwords differ', { hint: 'nothing was changed; try again' })
}

async function readAll({ stdin }: Terminal): Promise<string> {
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of stdin as AsyncIterable<Buffer | string>) {
    const buffer = Buffer.from(chunk as Buffer)
    bytes += buffer.length
    if (bytes > limits.cli.passwordBytes)
      throw new GroveError('ERR_BAD_REQUEST', `a password of more than ${limits.cli.passwordBytes} bytes`)
    chunks.push(buffer)
  }
  const password = Buffer.concat(chunks)
    .toString('utf8')
    .replace(/\r?\n$/, '')
  if (password === '') throw new GroveError('ERR_BAD_REQUEST', 'standard input held no password')
  return password
}

/** In raw mode the terminal shows nothing by itself, and sends keys instead of doing what they mean. */
function ask({ stdin, stderr }: Terminal, prompt: string): Promise<string> {
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
          return finish(() => reject(new GroveError('ERR_BAD_REQUEST', 'no password was given')))
        if (key === '\u007f' || key === '\b') typed.pop()
        else if (key === '\u0015') typed = []
        else if (typed.length < limits.cli.passwordBytes) typed.push(key)
      }
    }
    stderr.write(prompt)
    stdin.setRawMode?.(true)
    stdin.on('data', onData)
    stdin.resume()
  })
}
