/**
 * What a module of WebAssembly may be, checked at publish before any engine sees it: the form of its sections, and bounds
 * for everything that costs memory or time beyond the module's own size.
 *
 * It defends V8 in a site's process from modules that are small and cost much, and a site's memory from having no end.
 * It does not decide whether a module is valid: that is V8's own validation, in a process that can be thrown away
 * (validate.ts).
 */

import { createReader, type Reader } from './reader.ts'
import { withMemoryMaximum } from './rewrite.ts'
import { type Draft, emptyDraft, type ImportKind, type ModuleLimits, mostPagesOf, sectionReaders } from './sections.ts'
import type { SizeLimits } from './types.ts'

/** What a module is like. */
export interface ModuleInfo {
  /** The module to use: the bytes that were given, or with a memory that has an end (see `isRewritten`). */
  readonly bytes: Uint8Array
  /** Whether the memory had no maximum, or one above the limit, and has the limit now. */
  readonly isRewritten: boolean
  /** Its memory, its own or imported, in pages of 64 KiB. Undefined if it has none. */
  readonly memory: (SizeLimits & { readonly isImported: boolean }) | undefined
  /** Names of the modules that it imports from, sorted. */
  readonly importedModules: readonly string[]
  readonly imports: readonly { readonly module: string; readonly name: string; readonly kind: ImportKind }[]
  /** Names that it exports. */
  readonly exports: readonly string[]
  /** Own and imported ones together. */
  readonly functions: number
  readonly tables: number
  readonly globals: number
  readonly dataSegments: number
  /** How deep blocks lie in each other at most. */
  readonly nesting: number
}

/** By their ids. */
const sectionNames =
  'custom type import function table memory global export start element code data data-count tag'.split(' ')

/** The order in which sections come, by their ids. Custom ones (0) come anywhere. */
const sectionOrder: readonly number[] = [1, 2, 3, 4, 5, 13, 6, 7, 8, 9, 12, 10, 11]

/**
 * Reads a module and answers what it is like. Throws `ERR_CODE` with the place: the section, and the offset from the
 * module's start (`details`: `{ offset, part }`).
 */
export function checkModule(bytes: Uint8Array, moduleLimits: ModuleLimits): ModuleInfo {
  const reader = createReader(bytes)
  if (bytes.length > moduleLimits.wasmModuleBytes)
    throw reader.fault(`${bytes.length} bytes, more than ${moduleLimits.wasmModuleBytes}`)
  readHead(reader)
  const draft = emptyDraft(moduleLimits)
  let order = -1
  while (reader.offset < reader.end) {
    const start = reader.offset
    const id = reader.byte()
    const name = sectionNames[id]
    if (name === undefined) throw reader.fault(`a section of a kind that is not known (${id})`, start)
    if (id !== 0) {
      const place = sectionOrder.indexOf(id)
      if (place <= order) throw reader.fault(`section ${name} comes twice, or too late`, start)
      order = place
    }
    const section = reader.part(reader.u32(), `section ${name}`)
    sectionReaders[id]?.(section, draft, start)
    if (id !== 0) section.finish() // What a custom section holds is its own affair.
  }
  if (draft.bodies !== draft.ownFunctions)
    throw reader.fault(`${draft.ownFunctions} functions are declared, ${draft.bodies} have code`)
  return toInfo(bytes, draft)
}

function readHead(reader: Reader): void {
  const head = Array.from({ length: Math.min(8, reader.end) }, () => reader.byte())
  if (head.slice(0, 4).join() !== '0,97,115,109') throw reader.fault('this is no module of WebAssembly', 0)
  if (head.slice(4).join() !== '1,0,0,0')
    throw reader.fault('this is not version 1 of the format (a component, perhaps: a core module is expected)', 4)
}

function toInfo(bytes: Uint8Array, draft: Draft): ModuleInfo {
  const { memory, memorySection, imports, exports, functions, tables, globals, dataSegments, nesting } = draft
  const mostPages = mostPagesOf(draft.limits)
  // An imported memory is made by the site's code, where the engine bounds it; to declare a maximum here would make the
  // import fail.
  const isRewritten = memorySection !== undefined && memory !== undefined && (memory.maximum ?? Infinity) > mostPages
  return {
    bytes: isRewritten ? withMemoryMaximum(bytes, memorySection, memory.initial, mostPages) : bytes,
    isRewritten,
    memory: memory && { ...memory, maximum: isRewritten ? mostPages : memory.maximum },
    importedModules: [...new Set(imports.map(({ module }) => module))].sort(),
    ...{ imports, exports, functions, tables, globals, dataSegments, nesting },
  }
}
