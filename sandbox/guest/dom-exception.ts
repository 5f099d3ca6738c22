/**
 * DOMException (Web IDL, section 2.8). One is a real error underneath, with a stack: `Error.isError`, `instanceof Error` and
 * the stack of an engine all hold.
 */

import { toDOMString } from './convert.ts'
import { defineInterface } from './idl.ts'
import { defineValue, objects, strings } from './primordials.ts'

/** Names that have a code, in the order of their codes from 1. Empty: the code has a constant but no name any more. */
const codeNames = [
  'IndexSizeError',
  '',
  'HierarchyRequestError',
  'WrongDocumentError',
  'InvalidCharacterError',
  '',
  'NoModificationAllowedError',
  'NotFoundError',
  'NotSupportedError',
  'InUseAttributeError',
  'InvalidStateError',
  'SyntaxError',
  'InvalidModificationError',
  'NamespaceError',
  'InvalidAccessError',
  '',
  'TypeMismatchError',
  'SecurityError',
  'NetworkError',
  'AbortError',
  'URLMismatchError',
  'QuotaExceededError',
  'TimeoutError',
  'InvalidNodeTypeError',
  'DataCloneError',
] as const

const constants = {
  INDEX_SIZE_ERR: 1,
  DOMSTRING_SIZE_ERR: 2,
  HIERARCHY_REQUEST_ERR: 3,
  WRONG_DOCUMENT_ERR: 4,
  INVALID_CHARACTER_ERR: 5,
  NO_DATA_ALLOWED_ERR: 6,
  NO_MODIFICATION_ALLOWED_ERR: 7,
  NOT_FOUND_ERR: 8,
  NOT_SUPPORTED_ERR: 9,
  INUSE_ATTRIBUTE_ERR: 10,
  INVALID_STATE_ERR: 11,
  SYNTAX_ERR: 12,
  INVALID_MODIFICATION_ERR: 13,
  NAMESPACE_ERR: 14,
  INVALID_ACCESS_ERR: 15,
  VALIDATION_ERR: 16,
  TYPE_MISMATCH_ERR: 17,
  SECURITY_ERR: 18,
  NETWORK_ERR: 19,
  ABORT_ERR: 20,
  URL_MISMATCH_ERR: 21,
  QUOTA_EXCEEDED_ERR: 22,
  TIMEOUT_ERR: 23,
  INVALID_NODE_TYPE_ERR: 24,
  DATA_CLONE_ERR: 25,
} as const

const NativeError = Error
const captureStackTrace = Error.captureStackTrace as (target: object, above?: unknown) => void

/** Gives back what it is constructed with, so that a class below it puts its private fields there. */
class Host {
  constructor(target: object) {
    // biome-ignore lint/correctness/noConstructorReturn: this is how private fields come onto an object made elsewhere
    return target
  }
}

/** Name and message of an exception, as private fields of the error itself. */
class Slots extends Host {
  readonly #name: string
  readonly #message: string

  constructor(target: object, name: string, message: string) {
    super(target)
    this.#name = name
    this.#message = message
  }

  static isIn(value: object): boolean {
    return #name in value
  }

  static nameOf(value: object): string {
    return (value as Slots).#name
  }

  static messageOf(value: object): string {
    return (value as Slots).#message
  }
}

/** An error of a web API, told apart by its name: `AbortError`, `DataCloneError`, … */
export class DOMException {
  declare readonly stack: string

  constructor(message: unknown = '', name: unknown = 'Error') {
    const text = toDOMString(message)
    const kind = toDOMString(name)
    const error = new NativeError()
    // Frames are taken while it has no words, and those put before them: engines differ in what they would put there.
    captureStackTrace(error, new.target)
    const frames = framesOf(error.stack)
    objects.setPrototypeOf(error, new.target.prototype)
    new Slots(error, kind, text)
    const stack = (text === '' ? kind : `${kind}: ${text}`) + frames
    defineValue(error, 'stack', stack, false)
    // biome-ignore lint/correctness/noConstructorReturn: the object is a real error
    return error as unknown as DOMException
  }

  get name(): string {
    return Slots.nameOf(this)
  }

  get message(): string {
    return Slots.messageOf(this)
  }

  get code(): number {
    const name = Slots.nameOf(this)
    for (let index = 0; index < codeNames.length; index++)
      if (name !== '' && codeNames[index] === name) return index + 1
    return 0
  }
}

objects.setPrototypeOf(DOMException.prototype, NativeError.prototype)
defineInterface(DOMException, { constants })

function framesOf(stack: unknown): string {
  if (typeof stack !== 'string') return ''
  const line = strings.indexOf(stack, '\n')
  return line === -1 ? '' : strings.slice(stack, line)
}

/** Whether a value is a DOMException made here, by its private fields. */
export function isDOMException(value: unknown): value is DOMException {
  return typeof value === 'object' && value !== null && Slots.isIn(value)
}
