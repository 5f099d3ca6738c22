/**
 * What the code of a site says, in the terminal: the time, the level, the text, and the place where it was written; an error
 * with the lines of its source. Errors are kept for a moment, for the page that ran into them.
 */

import { styleText } from 'node:util'
import { limits } from '../../core/limits.ts'
import { setNewest } from '../../core/newest.ts'
import type { SiteLogLine } from '../../core/supervisor-messages.ts'
import { shownText, type Terminal } from '../terminal.ts'
import { splitPlace } from './console-places.ts'
import type { DevFolder } from './dev-folder.ts'
import { frameOf } from './source-frame.ts'

/** An error as it was printed. */
export interface PrintedError {
  readonly text: string
  readonly frame: string | undefined
}

type Tone = 'error' | 'warn' | 'info' | 'debug' | 'ready'

const styles = { error: 'red', warn: 'yellow', info: 'cyan', debug: 'gray', ready: 'green' } as const
const levelChars = 5
/** As wide as time and level. */
const margin = ' '.repeat(15)

/** Prints lines. */
export class DevLines {
  readonly #terminal: Terminal
  readonly #folder: DevFolder
  readonly #isColored: boolean
  /** The last error of requests, keyed by request; that of no request under the empty text. */
  readonly #errors = new Map<string, PrintedError>()
  #queue: Promise<void> = Promise.resolve()

  constructor(terminal: Terminal, folder: DevFolder) {
    this.#terminal = terminal
    this.#folder = folder
    this.#isColored = terminal.stdout.isTTY === true && terminal.env?.['NO_COLOR'] === undefined
  }

  /** Takes a line of the site. Lines stay in their order. */
  readonly take = (line: SiteLogLine): void => {
    if (line.level === 'debug' && line.from === 'grove') return
    this.#queue = this.#queue.then(() => this.#printLine(line))
  }

  /** Says something. `place`: where in the sources, behind its first line. */
  say(tone: Tone, text: string, place?: string): void {
    const [first = '', ...rest] = text.split('\n').map(shownText)
    const time = this.#paint('gray', new Date().toTimeString().slice(0, 8))
    const behind = place === undefined ? '' : `  ${this.#paint('gray', shownText(place))}`
    const head = `${time} ${this.#paint(styles[tone], tone.padEnd(levelChars))} ${first}${behind}`
    this.#write([head, ...rest.map((each) => margin + each)])
  }

  /** The error of a request, as soon as it was said, or undefined after a while. */
  async errorOf(request: string): Promise<PrintedError | undefined> {
    for (const endAt = performance.now() + limits.dev.errorWaitMs; performance.now() < endAt; ) {
      await this.#queue
      const found = this.#errors.get(request)
      if (found) return found
      await new Promise((resolve) => setTimeout(resolve, limits.dev.errorLookMs))
    }
    return undefined
  }

  /** The last error that is of no request: code that could not be loaded. */
  get lastError(): PrintedError | undefined {
    return this.#errors.get('')
  }

  /** Forgets errors: they are those of a code that is gone. */
  forget(): void {
    this.#errors.clear()
  }

  /** Resolves when all that was taken is printed. */
  async flush(): Promise<void> {
    await this.#queue
  }

  async #printLine({ level, text: said, request = '' }: SiteLogLine): Promise<void> {
    const { text, place } = splitPlace(said)
    const frame = level === 'error' ? await frameOf(text, this.#folder) : undefined
    if (level === 'error') setNewest(this.#errors, request, { text, frame }, limits.dev.errors)
    // A stack says by itself where it is from.
    this.say(level, text, frame === undefined ? place : undefined)
    if (frame !== undefined) this.#write(['', ...frame.split('\n').map((each) => margin + shownText(each)), ''])
  }

  #paint(style: 'red' | 'yellow' | 'cyan' | 'gray' | 'green', text: string): string {
    return this.#isColored ? styleText(style, text, { validateStream: false }) : text
  }

  /** Lines that were made safe for a terminal, and may have colours of ours. */
  #write(lines: readonly string[]): void {
    for (const line of lines) this.#terminal.stdout.write(`${line}\n`)
  }
}
