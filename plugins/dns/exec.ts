/**
 * Records at any provider, by a program of the operator's: it is run with fixed arguments, and finds the record in its
 * environment. No shell is in between, and nothing of a name ever becomes an argument.
 *
 * `GROVE_DNS_ACTION` is `present` or `remove`, `GROVE_DNS_NAME` the name without a last dot, `GROVE_DNS_TYPE` is `TXT`,
 * then `GROVE_DNS_VALUE` and `GROVE_DNS_TTL` in seconds. It has to keep other values of the name, to take it well when
 * the record is there or gone already, and to exit 0 when all is done.
 */

import { spawn } from 'node:child_process'
import { isAbsolute } from 'node:path'
import { z } from 'zod'
import { checkRecord, type DnsProvider, type DnsRecord, dnsError } from '../../core/dns-provider.ts'
import { lazyOptions } from '../../core/plugin-options.ts'
import { createTurnstile } from '../../core/turnstile.ts'
import { readSource, secretSchema } from './options.ts'
import { oneLine, withoutValues } from './said.ts'

const optionsSchema = z.strictObject({
  /** The program, by its absolute path: what stands in PATH may change. */
  command: z.string().max(4_096).refine(isAbsolute, 'an absolute path'),
  args: z.array(z.string().max(4_096)).max(100).default([]),
  /**
   * Further variables, with secrets for instance. The program gets these, the record, PATH, HOME, LANG and TZ, and
   * nothing else of Grove's own environment.
   */
  env: z.record(z.string().regex(/^[A-Za-z_]\w{0,127}$/), secretSchema).default({}),
  /** How long it may run, in milliseconds; then it is killed with all that it started. Default: a minute. */
  timeoutMs: z.int().min(10).max(110_000).default(60_000),
})

/** What {@link execDns} takes. */
export type ExecDnsOptions = z.input<typeof optionsSchema>

/** How much of what it says is kept: the end of it. */
const outputBytes = 4_096
/** Values of variables that are shorter are no secrets, and would take words apart. */
const leastSecret = 3
/** How long its output may stay open after its end. */
const lingerMs = 1_000
/** Programs that run at a time, and those that wait. */
const parallel = 4
const mostRuns = 1_000

/** A provider `exec`, for `certs.dns`. Its options are checked when the config is read. */
export function execDns(options: ExecDnsOptions): DnsProvider {
  const parsed = lazyOptions(optionsSchema, options)
  const turns = createTurnstile({ parallel, most: mostRuns, what: 'runs of the program for DNS records' })

  async function run(action: 'present' | 'remove', record: DnsRecord, signal: AbortSignal): Promise<void> {
    checkRecord(record)
    const { command, args, env, timeoutMs } = parsed()
    const secrets = await Promise.all(
      Object.entries(env).map(async ([name, source]) => [name, await readValue(name, source)] as const),
    )
    const { PATH, HOME, LANG, TZ } = process.env
    const result = await runProgram(command, args, {
      env: {
        ...withoutUndefined({ PATH, HOME, LANG, TZ }),
        ...Object.fromEntries(secrets),
        GROVE_DNS_ACTION: action,
        GROVE_DNS_NAME: record.name,
        GROVE_DNS_TYPE: record.type,
        GROVE_DNS_VALUE: record.value,
        GROVE_DNS_TTL: String(record.ttlSeconds),
      },
      timeoutMs,
      signal,
    })
    if (result.code === 0) return
    const said = lastLine(
      result,
      secrets.map(([, secret]) => secret),
    )
    const message = `${command} ${result.how} (${action} ${record.name})${said && `: ${said}`}`
    throw dnsError(result.isLate ? 'timeout' : 'refused', message, { hint: result.hint })
  }

  return {
    name: 'exec',
    schema: optionsSchema,
    options,
    present: (record, signal) => turns.run(() => run('present', record, signal), signal),
    remove: (record, signal) => turns.run(() => run('remove', record, signal), signal),
  }
}

interface RunOptions {
  readonly env: Readonly<Record<string, string>>
  readonly timeoutMs: number
  readonly signal: AbortSignal
}

interface RunResult {
  readonly code: number | undefined
  /** For people: `ended with 3`. */
  readonly how: string
  readonly isLate: boolean
  readonly hint?: string
  /** The end of what it wrote, and whether there was more before it. */
  readonly output: string
  readonly isCut: boolean
}

async function readValue(name: string, source: Parameters<typeof readSource>[0]): Promise<string> {
  const what = `exec: env.${name}`
  const value = await readSource(source, what)
  if (value.includes('\0')) throw dnsError('denied', `${what} has a NUL, which no variable can hold`)
  return value
}

/** The last line that a program wrote, without secrets; nothing when its beginning was cut off, maybe inside of one. */
function lastLine({ output, isCut }: RunResult, secrets: readonly string[]): string {
  // A secret of several lines may be told line by line.
  const hidden = secrets
    .flatMap((secret) => [secret, ...secret.split('\n')])
    .filter(({ length }) => length >= leastSecret)
  const lines = withoutValues(output, hidden)
    .split('\n')
    .slice(isCut ? 1 : 0)
  return oneLine(lines.findLast((line) => line.trim() !== '') ?? '')
}

function runProgram(
  command: string,
  args: readonly string[],
  { env, timeoutMs, signal }: RunOptions,
): Promise<RunResult> {
  return new Promise((resolve, reject) => {
    // In a group of its own, so that what it started can be ended with it.
    const child = spawn(command, args, { env, stdio: ['ignore', 'pipe', 'pipe'], detached: true, cwd: '/' })
    let output = Buffer.alloc(0)
    let isCut = false
    let isLate = false
    const kill = () => {
      try {
        if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL')
      } catch {
        // All of the group have ended.
      }
    }
    const timer = setTimeout(() => {
      isLate = true
      kill()
    }, timeoutMs)
    signal.addEventListener('abort', kill, { once: true })
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (piece: Buffer) => {
        isCut ||= output.length + piece.length > outputBytes
        output = Buffer.concat([output, piece]).subarray(-outputBytes)
      })
    const end = (result: Omit<RunResult, 'output' | 'isCut'>) => {
      clearTimeout(timer)
      signal.removeEventListener('abort', kill)
      child.stdout.destroy()
      child.stderr.destroy()
      if (signal.aborted) reject(signal.reason)
      else resolve({ ...result, output: output.toString(), isCut })
    }
    child.once('error', (error: NodeJS.ErrnoException) => {
      const hint =
        error.code === 'ENOENT' ? 'is the path right?' : error.code === 'EACCES' ? 'is it executable?' : undefined
      end({ code: undefined, how: `cannot be run: ${error.code ?? 'it failed'}`, isLate: false, ...(hint && { hint }) })
    })
    child.once('exit', (code, killed) => {
      const how = isLate
        ? `was ended after ${timeoutMs} ms`
        : code === null
          ? `was ended by ${killed}`
          : `ended with ${code}`
      const result = { code: isLate ? undefined : (code ?? undefined), how, isLate }
      // Something in the background may hold its output open: then what came by now is all.
      const linger = setTimeout(end, lingerMs, result)
      child.once('close', () => {
        clearTimeout(linger)
        end(result)
      })
    })
    // Aborted between the caller's look and the listener above.
    if (signal.aborted) kill()
  })
}

function withoutUndefined(values: Readonly<Record<string, string | undefined>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(values).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])),
  )
}
