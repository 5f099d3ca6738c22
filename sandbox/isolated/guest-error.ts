/** Errors of site code as plain text, from whatever side they come. */

import { type BridgeValue, bridgeLimits } from '../bridge.ts'
import type { GuestError } from '../bridge-shapes.ts'

/** What ends the guest's part of a stack: below it lie the frames of the host, which nobody is shown. */
const boundary = '\n    at (<isolated-vm boundary>)'

/** A line of a stack in the guest's own scripts, or in what the language itself has. */
const guestLine = /grove:(?:site|prelude)|<anonymous>|\(native/

/** An error that the prelude has serialised. What is not as it should be becomes an error without words. */
export function readGuestError(text: BridgeValue): GuestError {
  if (typeof text === 'string' && text.length <= 2 * bridgeLimits.errorChars) {
    try {
      const { name, message, stack } = JSON.parse(text) as Partial<Record<string, unknown>>
      return { name: short(name, 'Error'), message: short(message, ''), stack: short(stack, '') }
    } catch {
      // Not JSON, or null: as good as nothing.
    }
  }
  return { name: 'Error', message: 'an error that could not be read', stack: '' }
}

/** What an entry threw on the host's side: made by the engine from copied text, its fields are plain strings or nothing. */
export function thrownError(thrown: unknown): GuestError {
  if (!(thrown instanceof Error)) return { name: 'Error', message: short(String(thrown), ''), stack: '' }
  return { name: short(thrown.name, 'Error'), message: short(thrown.message, ''), stack: guestStack(thrown.stack) }
}

/**
 * A stack without the lines that do not lie in the guest. An error that had no stack of its own has only lines of the host
 * before the boundary, too, from where it was made again.
 */
export function guestStack(stack: unknown): string {
  if (typeof stack !== 'string') return ''
  const end = stack.indexOf(boundary)
  if (end === -1) return ''
  const lines = stack.slice(0, end).split('\n')
  return short(lines.filter((line) => !line.startsWith('    at ') || guestLine.test(line)).join('\n'), '')
}

/** The first line of a stack that names a place, without the words around it. */
export function placeOf(stack: string, file: string): string {
  for (const line of stack.split('\n')) {
    const trimmed = line.trim()
    if (trimmed.startsWith('at ') && trimmed.includes(file)) return trimmed.slice(3, 303)
  }
  return ''
}

function short(value: unknown, otherwise: string): string {
  return typeof value === 'string' ? value.slice(0, bridgeLimits.errorChars) : otherwise
}
