/**
 * The sections of a module, one reader each. They gather what a module is like, and throw at what is malformed or more
 * than there may be.
 */

import { limits } from '../../core/limits.ts'
import type { SandboxLimits } from '../../core/sandbox-limits.ts'
import { readExpression } from './instructions.ts'
import type { Reader } from './reader.ts'
import {
  readGlobalType,
  readSizeLimits,
  readTableType,
  readTagType,
  readTypes,
  readValueType,
  type SizeLimits,
} from './types.ts'

/** What can be imported. */
export type ImportKind = 'function' | 'table' | 'memory' | 'global' | 'tag'

/** Bounds of a module that a tier sets. */
export type ModuleLimits = Pick<SandboxLimits, 'wasmMemoryMiB' | 'wasmModuleBytes' | 'wasmTableEntries'>

/** What is gathered while a module is read. */
export interface Draft {
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

const bounds = limits.wasm
const importKinds: readonly ImportKind[] = ['function', 'table', 'memory', 'global', 'tag']

/** A draft of which nothing was read. */
export function emptyDraft(moduleLimits: ModuleLimits): Draft {
  return {
    limits: moduleLimits,
    ...{ imports: [], exports: [], memory: undefined, memorySection: undefined },
    ...{ tableEntries: 0, tables: 0, globals: 0, tags: 0, functions: 0, ownFunctions: 0, bodies: 0 },
    ...{ dataSegments: 0, locals: 0, nesting: 0, customs: 0 },
  }
}

/** What reads a section. Keyed by its id. `start`: where it begins. */
export const sectionReaders: Readonly<Record<number, (section: Reader, draft: Draft, start: number) => void>> = {
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

/** The most pages that a memory may have. */
export function mostPagesOf({ wasmMemoryMiB }: ModuleLimits): number {
  return (wasmMemoryMiB * 1_048_576) / bounds.pageBytes
}
