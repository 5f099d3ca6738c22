/**
 * What a module of WebAssembly may be, checked at publish before any engine sees it: the form of its sections, and bounds
 * for everything that costs memory or time beyond the module's own size.
 *
 * It defends V8 in a site's process from modules that are small and cost much, and a site's memory from having no end.
 * It does not decide whether a module is valid: that is V8's own validation, in a process that can be thrown away
 * (validate.ts).
 */

import { limits } from '../../core/limits.ts'
import type { SandboxLimits } from '../../core/sandbox-limits.ts'
import { readExpression } from './instructions.ts'
import { createReader, type Reader } from './reader.ts'
import { withMemoryMaximum } from './rewrite.ts'
import {
  readGlobalType,
  readSizeLimits,
  readTableType,
  readTagType,
  readTypes,
  readValueType,
  type SizeLimits,
} from './types.ts'

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

/** What can be imported. */
export type ImportKind = 'function' | 'table' | 'memory' | 'global' | 'tag'

/** Bounds of a module that a tier sets. */
export type ModuleLimits = Pick<SandboxLimits, 'wasmMemoryMiB' | 'wasmModuleBytes' | 'wasmTableEntries'>

const bounds = limits.wasm
const importKinds: readonly ImportKind[] = ['function', 'table', 'memory', 'global', 'tag']
const sectionNames = [
  ...[
    'custom',
    'type',
    'import',
    'function',
    'table',
    'memory',
    'global',
    'export',
    'start',
    'element',
    'code',
    'data',
  ],
  ...['data count', 'tag'],
]
/** The order in which sections come, by their ids. Custom ones (0) come anywhere. */
const sectionOrder: readonly number[] = [1, 2, 3, 4, 5, 13, 6, 7, 8, 9, 12, 10, 11]

/** What is gathered while a module is read. */
interface Draft {
  readonly limits: ModuleLimits
  readonly imports: { module: string; name: string; kind: ImportKind }[]
  readonly exports: string[]
  memory: (SizeLimits & { readonly isImported: boolean }) | undefined
  /** Where the section of the own memory begins, id and all, and ends. */
  memorySection: { readonly start: number; readonly end: number } | undefined
  tableEntries: number
  tables: number
  globals: number
  tags: number
  functions: number
  ownFunctions: number
  bodies: number
  dataSegments: number
  locals: number
  nesting: number
  customs: number
}

/**
 * Reads a module and answers what it is like. Throws `ERR_CODE` with the place: the section, and the offset from the
 * module's start (`details`: `{ offset, part }`).
 */
export function checkModule(bytes: Uint8Array, moduleLimits: ModuleLimits): ModuleInfo {
  const reader = createReader(bytes)
  if (bytes.length > moduleLimits.wasmModuleBytes)
    throw reader.fault(`${bytes.length} bytes, more than ${moduleLimits.wasmModuleBytes}`)
  readHead(reader)
  const draft: Draft = {
    limits: moduleLimits,
    ...{ imports: [], exports: [], memory: undefined, memorySection: undefined },
    ...{ tableEntries: 0, tables: 0, globals: 0, tags: 0, functions: 0, ownFunctions: 0, bodies: 0 },
    ...{ dataSegments: 0, locals: 0, nesting: 0, customs: 0 },
  }
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
    sections[id]?.(section, draft, start)
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

/** Keyed by the id of a section. `start`: where it begins. */
const sections: Readonly<Record<number, (section: Reader, draft: Draft, start: number) => void>> = {
  0: (section, draft) => {
    draft.customs += 1
    if (draft.customs > bounds.customSections) throw section.fault(`more than ${bounds.customSections} custom sections`)
    section.name(bounds.nameBytes)
  },
  1: (section) => void readTypes(section),
  2: readImports,
  3: (section, draft) => {
    draft.ownFunctions = section.count(bounds.functions, 'functions')
    addFunctions(section, draft, draft.ownFunctions)
    for (let i = 0; i < draft.ownFunctions; i += 1) section.u32()
  },
  4: readTables,
  5: (section, draft, start) => {
    const count = section.count(1, 'memories')
    for (let i = 0; i < count; i += 1) addMemory(section, draft, false)
    if (count > 0) draft.memorySection = { start, end: section.end }
  },
  6: (section, draft) => {
    const count = section.count(bounds.globals, 'globals')
    for (let i = 0; i < count; i += 1) {
      addGlobal(section, draft)
      readExpression(section)
    }
  },
  7: readExports,
  8: (section) => void section.u32(),
  9: readElements,
  10: readCode,
  11: readData,
  12: (section) => void section.count(bounds.dataSegments, 'segments of data'),
  13: (section, draft) => {
    const count = section.count(bounds.tags, 'tags')
    for (let i = 0; i < count; i += 1) addTag(section, draft)
  },
}

function readImports(section: Reader, draft: Draft): void {
  const count = section.count(bounds.imports, 'imports')
  for (let i = 0; i < count; i += 1) {
    const at = section.offset
    const module = section.name(bounds.nameBytes)
    const name = section.name(bounds.nameBytes)
    // These are the engine's own, and no site gives them; a module that has them was built for another host.
    if (module.startsWith('wasm:')) throw section.fault(`an import from "${module}", which nobody can give`, at)
    const kind = importKinds[section.byte()]
    if (kind === undefined) throw section.fault('an import of a kind that is not known', section.offset - 1)
    draft.imports.push({ module, name, kind })
    if (kind === 'function') {
      section.u32()
      addFunctions(section, draft, 1)
    } else if (kind === 'table') addTable(section, draft)
    else if (kind === 'memory') addMemory(section, draft, true)
    else if (kind === 'global') addGlobal(section, draft)
    else addTag(section, draft)
  }
}

function readTables(section: Reader, draft: Draft): void {
  const count = section.count(bounds.tables, 'tables')
  for (let i = 0; i < count; i += 1) {
    // A table whose entries begin with a value is told by a byte that is no type.
    const at = section.offset
    const marker = section.byte()
    if (marker !== 0x40) {
      addTable(section, draft, marker)
      continue
    }
    if (section.byte() !== 0) throw section.fault('a table of a kind that is not known', at)
    addTable(section, draft)
    readExpression(section)
  }
}

function readExports(section: Reader, draft: Draft): void {
  const count = section.count(bounds.exports, 'exports')
  for (let i = 0; i < count; i += 1) {
    draft.exports.push(section.name(bounds.nameBytes))
    if (section.byte() > 4) throw section.fault('an export of a kind that is not known', section.offset - 1)
    section.u32()
  }
}

/** Segments of elements: eight forms, told by three bits. */
function readElements(section: Reader, draft: Draft): void {
  const count = section.count(bounds.elements, 'segments of elements')
  let entries = 0
  for (let i = 0; i < count; i += 1) {
    const flags = section.count(7, 'as the form of a segment')
    const isActive = (flags & 1) === 0
    const isExplicit = (flags & 2) !== 0
    const hasExpressions = (flags & 4) !== 0
    if (isActive) {
      if (isExplicit) section.u32()
      readExpression(section)
    }
    if (!isActive || isExplicit) {
      if (hasExpressions) readValueType(section)
      else if (section.byte() !== 0) throw section.fault('elements of a kind that is not known', section.offset - 1)
    }
    const size = section.count(draft.limits.wasmTableEntries, 'elements of one segment')
    entries += size
    if (entries > bounds.functions * 4) throw section.fault(`more than ${bounds.functions * 4} elements`)
    for (let k = 0; k < size; k += 1) {
      if (hasExpressions) readExpression(section)
      else section.u32()
    }
  }
}

function readCode(section: Reader, draft: Draft): void {
  draft.bodies = section.count(bounds.functions, 'functions')
  for (let i = 0; i < draft.bodies; i += 1) {
    const size = section.count(bounds.functionBytes, 'bytes of one function')
    const body = section.part(size, `function ${draft.functions - draft.ownFunctions + i} in section code`)
    draft.locals += readLocals(body)
    if (draft.locals > bounds.allLocals) throw body.fault(`more than ${bounds.allLocals} locals in all functions`)
    draft.nesting = Math.max(draft.nesting, readExpression(body))
    body.finish()
  }
}

/** The locals of a function are written as so many of a type: a few bytes can stand for four thousand million. */
function readLocals(body: Reader): number {
  const groups = body.count(bounds.locals, 'groups of locals')
  let locals = 0
  for (let i = 0; i < groups; i += 1) {
    locals += body.u32()
    if (locals > bounds.locals) throw body.fault(`${locals} locals, more than ${bounds.locals}`)
    readValueType(body)
  }
  return locals
}

function readData(section: Reader, draft: Draft): void {
  draft.dataSegments = section.count(bounds.dataSegments, 'segments of data')
  for (let i = 0; i < draft.dataSegments; i += 1) {
    const flags = section.count(2, 'as the form of a segment')
    if (flags === 2) section.u32()
    if (flags !== 1) readExpression(section)
    section.skip(section.u32())
  }
}

function addFunctions(section: Reader, draft: Draft, count: number): void {
  draft.functions += count
  if (draft.functions > bounds.functions) throw section.fault(`more than ${bounds.functions} functions`)
}

function addTable(section: Reader, draft: Draft, firstByte?: number): void {
  const at = section.offset
  draft.tables += 1
  if (draft.tables > bounds.tables) throw section.fault(`more than ${bounds.tables} tables`, at)
  const { initial } = readTableType(section, firstByte)
  draft.tableEntries += initial
  const { wasmTableEntries } = draft.limits
  if (draft.tableEntries > wasmTableEntries)
    throw section.fault(`tables of ${draft.tableEntries} entries, more than ${wasmTableEntries}`, at)
}

function addMemory(section: Reader, draft: Draft, isImported: boolean): void {
  const at = section.offset
  if (draft.memory) throw section.fault('a second memory, and there can be one only', at)
  const size = readSizeLimits(section, 'memory')
  const mostPages = mostPagesOf(draft.limits)
  if (size.initial > mostPages)
    throw section.fault(`a memory of ${size.initial} pages to begin with, more than ${mostPages}`, at)
  draft.memory = { ...size, isImported }
}

function addGlobal(section: Reader, draft: Draft): void {
  draft.globals += 1
  if (draft.globals > bounds.globals) throw section.fault(`more than ${bounds.globals} globals`)
  readGlobalType(section)
}

function addTag(section: Reader, draft: Draft): void {
  draft.tags += 1
  if (draft.tags > bounds.tags) throw section.fault(`more than ${bounds.tags} tags`)
  readTagType(section)
}

function mostPagesOf({ wasmMemoryMiB }: ModuleLimits): number {
  return (wasmMemoryMiB * 1_048_576) / bounds.pageBytes
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
