/**
 * Secrets taken out of texts that leave a sandbox or come back to one: lines of a log, errors, headers of answers.
 *
 * A secret is found as it is and in the spellings in which programs write it without meaning to hide it: base64 wherever
 * it begins in what was coded, hex, percent-encoded, escaped in JSON or HTML, and each line of one that has several. It is
 * a net for accidents. Code that holds a secret can write it in a way that nobody looks for; what keeps secrets from
 * code is that it is only given placeholders (egress/edge-secrets.ts).
 */

import { limits } from '../core/limits.ts'
import { createNeedleSearch, type Found, type Needle } from './needle-search.ts'

/** A secret as it is known by name. */
export interface NamedSecret {
  readonly name: string
  readonly value: string
}

/** Takes secrets out of texts. */
export interface Redactor {
  /** A text with `[secret NAME]` in place of each secret. */
  text(text: string): string
  /** For a text that comes in pieces. */
  stream(): RedactingStream
}

/** A text in pieces, with secrets taken out across their borders. */
export interface RedactingStream {
  /**
   * Takes the next piece and answers what can be shown: up to the last line break, because no spelling goes beyond one. A
   * line longer than `limits.siteSecret.lineChars` is shown in part, but for an end in which a secret may have begun.
   */
  push(piece: string): string
  /** What is left. The stream can be used again afterwards. */
  end(): string
}

/** Whether a value is long enough to be looked for: shorter ones are part of any text. */
export function isRedactable(value: string): boolean {
  return value.length >= limits.siteSecret.leastChars
}

/** A redactor of some secrets. Values that are shorter than `limits.siteSecret.leastChars` are left alone. */
export function createRedactor(secrets: readonly NamedSecret[]): Redactor {
  const { find, longest } = createNeedleSearch(toNeedles(secrets))
  return {
    text: (text) => redact(text, find(text)),
    stream() {
      let held = ''
      return {
        push(piece) {
          held += piece
          const breakAt = held.lastIndexOf('\n') + 1
          const isLong = held.length - breakAt > limits.siteSecret.lineChars + longest
          const found = breakAt > 0 || isLong ? find(held) : []
          const cut = isLong ? endBefore(held.length - longest, found) : breakAt
          const shown = held.slice(0, cut)
          held = held.slice(cut)
          return redact(
            shown,
            found.filter(({ end }) => end <= cut),
          )
        },
        end() {
          const shown = redact(held, find(held))
          held = ''
          return shown
        },
      }
    },
  }
}

function redact(text: string, found: readonly Found[]): string {
  let shown = ''
  let at = 0
  for (const { start, end, label } of found) {
    shown += text.slice(at, start) + label
    at = end
  }
  return shown + text.slice(at)
}

/** The last place at or before `cut` that lies in no secret, or after the one that it lies in. */
function endBefore(cut: number, found: readonly Found[]): number {
  const around = found.find(({ start, end }) => start < cut && cut < end)
  return around ? around.end : cut
}

/**
 * The spellings of all secrets, of whole values before those of single lines, as far as there is place for them: each
 * value is kept some thirty times over.
 */
function toNeedles(secrets: readonly NamedSecret[]): Needle[] {
  const labels = new Map<string, string>()
  let chars = 0
  const add = (name: string, part: string) => {
    if (chars > limits.siteSecret.spelledChars) return
    for (const text of spellingsOf(part)) {
      if (labels.has(text)) continue
      chars += text.length
      if (chars > limits.siteSecret.spelledChars) return
      labels.set(text, `[secret ${name}]`)
    }
  }
  for (const { name, value } of secrets) for (const part of new Set([value, value.trim()])) add(name, part)
  for (const { name, value } of secrets)
    for (const line of value.split(/[\r\n]+/, limits.siteSecret.lines)) add(name, line.trim())
  return [...labels].map(([text, label]) => ({ text, label }))
}

/** Every spelling of a part of a value that is long enough. None has a line break in it. */
function spellingsOf(part: string): Set<string> {
  const spellings = new Set<string>()
  if (!isRedactable(part) || part.length > limits.siteSecret.spelledChars) return spellings
  const bytes = Buffer.from(part, 'utf8')
  const json = JSON.stringify(part).slice(1, -1)
  const percent = encodeURIComponent(part.toWellFormed())
  const all = [
    ...[part, json, JSON.stringify(json).slice(1, -1), bytes.toString('latin1'), toHtml(part)],
    // As consoles show strings in objects, by the quotes that they choose.
    ...[part.replaceAll('\\', '\\\\'), part.replace(/['\\]/g, '\\$&')],
    ...[bytes.toString('hex'), bytes.toString('hex').toUpperCase(), percentAll(bytes), percentAll(bytes).toUpperCase()],
    ...[percent, lowerPercent(percent), percent.replaceAll('%20', '+'), encodeURI(part.toWellFormed())],
    ...[formEncoded(part), lowerPercent(formEncoded(part)), ...base64Of(bytes)],
  ]
  for (const each of all) if (isRedactable(each) && !/[\r\n]/.test(each)) spellings.add(each)
  return spellings
}

/**
 * Base64 of bytes that stand anywhere in what was coded: it looks different at each of three places, and the digits that
 * hold bits of a neighbour are left out. In both alphabets (RFC 4648 sections 4 and 5).
 */
function base64Of(bytes: Buffer): string[] {
  return [0, 1, 2].flatMap((before) => {
    const coded = Buffer.concat([Buffer.alloc(before), bytes])
      .toString('base64')
      .replace(/=+$/, '')
    const bits = (before + bytes.length) * 8
    const start = Math.ceil((before * 8) / 6)
    const digits = coded.slice(start, Math.floor(bits / 6))
    return [digits, digits.replaceAll('+', '-').replaceAll('/', '_')]
  })
}

function percentAll(bytes: Buffer): string {
  return [...bytes].map((byte) => `%${byte.toString(16).padStart(2, '0')}`).join('')
}

function lowerPercent(text: string): string {
  return text.replace(/%[0-9A-F]{2}/g, (each) => each.toLowerCase())
}

function formEncoded(text: string): string {
  return new URLSearchParams({ '': text }).toString().slice(1)
}

function toHtml(text: string): string {
  const named: Readonly<Record<string, string>> = {
    '&': '&amp;',
    '<': '&lt;',
    '>': '&gt;',
    '"': '&quot;',
    "'": '&#39;',
  }
  return text.replace(/[&<>"']/g, (each) => named[each] ?? each)
}
