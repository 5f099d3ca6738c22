/**
 * FormData (XMLHttpRequest Standard, section 5). There are no form elements here, so one always begins empty.
 */

import { blobBytes, createFile, isBlob, isFile, typeOfBlob } from './blob.ts'
import { isObject, requireArguments, toUSVString } from './convert.ts'
import { defineInterface, definePairIterable } from './idl.ts'
import { arrays } from './primordials.ts'

/** An entry of a form: a text or a File. */
export type FormEntry = [name: string, value: string | object]

let entriesOf: (form: FormData) => FormEntry[]
let isForm: (value: unknown) => value is FormData

/** A list of names and values, which are texts or files. */
export class FormData {
  #entries: FormEntry[] = []

  constructor(form: unknown = undefined, submitter: unknown = null) {
    if (form !== undefined) throw new TypeError('FormData: there are no form elements here')
    if (submitter !== null && submitter !== undefined) throw new TypeError('FormData: a submitter needs a form')
  }

  append(name: unknown, value: unknown, filename: unknown = undefined): void {
    const entries = this.#entries
    requireArguments(arguments.length, 2, 'FormData.append')
    arrays.push(entries, toEntry(name, value, filename, arguments.length))
  }

  delete(name: unknown): void {
    this.#entries
    requireArguments(arguments.length, 1, 'FormData.delete')
    const key = toUSVString(name)
    this.#keep((entry) => entry[0] !== key)
  }

  get(name: unknown): string | object | null {
    const entries = this.#entries
    requireArguments(arguments.length, 1, 'FormData.get')
    const key = toUSVString(name)
    for (let index = 0; index < entries.length; index++) {
      const entry = entries[index]
      if (entry?.[0] === key) return entry[1]
    }
    return null
  }

  getAll(name: unknown): (string | object)[] {
    const entries = this.#entries
    requireArguments(arguments.length, 1, 'FormData.getAll')
    const key = toUSVString(name)
    const values: (string | object)[] = []
    for (let index = 0; index < entries.length; index++) {
      const entry = entries[index]
      if (entry?.[0] === key) arrays.push(values, entry[1])
    }
    return values
  }

  has(name: unknown): boolean {
    const entries = this.#entries
    requireArguments(arguments.length, 1, 'FormData.has')
    const key = toUSVString(name)
    for (let index = 0; index < entries.length; index++) if (entries[index]?.[0] === key) return true
    return false
  }

  set(name: unknown, value: unknown, filename: unknown = undefined): void {
    this.#entries
    requireArguments(arguments.length, 2, 'FormData.set')
    const made = toEntry(name, value, filename, arguments.length)
    let first: FormEntry | undefined
    this.#keep((entry) => {
      if (entry[0] !== made[0]) return true
      if (first !== undefined) return false
      first = entry
      return true
    })
    if (first === undefined) arrays.push(this.#entries, made)
    else first[1] = made[1]
  }

  #keep(test: (entry: FormEntry) => boolean): void {
    const kept: FormEntry[] = []
    for (let index = 0; index < this.#entries.length; index++) {
      const entry = this.#entries[index]
      if (entry !== undefined && test(entry)) arrays.push(kept, entry)
    }
    this.#entries = kept
  }

  static {
    entriesOf = (form) => form.#entries
    isForm = (value): value is FormData => isObject(value) && #entries in value
  }
}
definePairIterable(FormData, 'FormData', (form) => entriesOf(form))
defineInterface(FormData)

/** Whether a value is a FormData, by its private fields. */
export function isFormData(value: unknown): value is FormData {
  return isForm(value)
}

/** The entries of a form, in order. */
export function formEntries(form: FormData): readonly FormEntry[] {
  return entriesOf(form)
}

/** A form of entries that it takes over. */
export function createForm(entries: readonly FormEntry[]): FormData {
  const form = new FormData()
  const list = entriesOf(form)
  for (let index = 0; index < entries.length; index++) arrays.push(list, entries[index] as FormEntry)
  return form
}

/** XMLHttpRequest Standard, "create an entry": a Blob becomes a File, and a file name makes a new one of a File. */
function toEntry(name: unknown, value: unknown, filename: unknown, given: number): FormEntry {
  const key = toUSVString(name)
  if (!isBlob(value)) {
    if (given > 2) throw new TypeError('a file name goes with a Blob only')
    return [key, toUSVString(value)]
  }
  const called = filename === undefined ? undefined : toUSVString(filename)
  if (isFile(value) && called === undefined) return [key, value]
  const time = isFile(value) ? value.lastModified : undefined
  return [key, createFile(blobBytes(value), typeOfBlob(value), called ?? 'blob', time)]
}
