import fc from 'fast-check'
import t from 'tap'
import { defaultSandboxLimits } from '../../../core/sandbox-limits.ts'
import { checkModule } from '../../../sandbox/wasm/check-module.ts'
import {
  code,
  foundModules,
  functions,
  leb,
  moduleOf,
  name,
  type Piece,
  section,
  voidType,
} from './fixtures/modules.ts'

declare const WebAssembly: {
  validate(bytes: Uint8Array): boolean
  readonly Module: { new (bytes: Uint8Array): object; exports(module: object): { name: string; kind: string }[] }
  readonly Instance: new (module: object, imports?: object) => { readonly exports: Record<string, unknown> }
}

const check = (bytes: Uint8Array) => checkModule(bytes, defaultSandboxLimits)
const many = (count: number, piece: Piece) => Array.from({ length: count }, () => piece)

t.test('what a module is like', (t) => {
  const info = check(
    moduleOf(
      section(1, 2, [0x60, 0, 0], [0x60, 1, 0x7f, 1, 0x7f]),
      section(
        2,
        3,
        name('env'),
        name('log'),
        0,
        0,
        name('env'),
        name('g'),
        3,
        0x7f,
        0,
        name('a'),
        name('t'),
        1,
        0x70,
        0,
        1,
      ),
      section(3, 1, 0),
      section(4, 1, 0x70, 1, 2, 3),
      section(5, 1, 1, 1, 2),
      section(6, 1, 0x7f, 1, 0x41, 0x2a, 0x0b),
      section(7, 2, name('f'), 0, 1, name('m'), 2, 0),
      section(12, 1),
      section(10, 1, 10, [1, 2, 0x7f, 0x02, 0x40, 0x03, 0x40, 0x0b, 0x0b, 0x0b]),
      section(11, 1, 1, 2, 0xff, 0xfe),
      section(0, name('note'), 1, 2, 3),
    ),
  )
  t.match(info, {
    isRewritten: false,
    memory: { initial: 1, maximum: 2, isImported: false },
    importedModules: ['a', 'env'],
    imports: [
      { module: 'env', name: 'log', kind: 'function' },
      { module: 'env', name: 'g', kind: 'global' },
      { module: 'a', name: 't', kind: 'table' },
    ],
    exports: ['f', 'm'],
    functions: 2,
    tables: 2,
    globals: 2,
    dataSegments: 1,
    nesting: 2,
  })
  t.ok(WebAssembly.validate(info.bytes))
  t.same(check(moduleOf()).exports, [])
  t.end()
})

t.test('modules of others are taken', (t) => {
  for (const [which, bytes] of Object.entries(foundModules())) {
    const info = check(bytes)
    t.ok(info.functions > 5, which)
    t.ok(WebAssembly.validate(info.bytes), which)
    t.same(info.exports.length, WebAssembly.Module.exports(new WebAssembly.Module(bytes)).length)
  }
  t.end()
})

t.test('a memory without an end, or with one too far, gets one', (t) => {
  for (const size of [
    [0, 3],
    [1, 3, leb(65_536)],
    [1, 3, leb(1_025)],
    [1, [0x83, 0x80, 0x00], leb(65_536)],
  ]) {
    const given = moduleOf(
      section(0, name('first'), many(200, 7)),
      voidType,
      section(5, 1, size),
      section(7, 1, name('m'), 2, 0),
      section(0, name('last')),
    )
    const { bytes, isRewritten, memory } = check(given)
    t.equal(isRewritten, true)
    t.same(memory, { initial: 3, maximum: 1_024, isImported: false })
    t.ok(WebAssembly.validate(bytes))
    t.same(check(bytes).isRewritten, false)
    const { m } = new WebAssembly.Instance(new WebAssembly.Module(bytes)).exports as {
      m: { grow(pages: number): number; buffer: ArrayBuffer }
    }
    t.equal(m.grow(1), 3)
    t.throws(() => m.grow(1_100))
  }
  t.equal(check(moduleOf(section(5, 1, 1, 1, leb(1_024)))).isRewritten, false)
  t.same(
    check(moduleOf(section(2, 1, name('e'), name('m'), 2, 0, 1))).memory,
    { initial: 1, maximum: undefined, isImported: true },
    'an imported one is bounded where it is made',
  )
  t.equal(check(moduleOf(section(5, 0))).memory, undefined)
  t.end()
})

const hostile: readonly (readonly [what: string, bytes: Uint8Array, message: RegExp])[] = [
  ['nothing', new Uint8Array(), /this is no module of WebAssembly/],
  ['half a head', Uint8Array.of(0, 0x61, 0x73), /this is no module/],
  ['text', Buffer.from('<html></html>'), /offset 0: this is no module/],
  ['another version', Uint8Array.of(0, 0x61, 0x73, 0x6d, 2, 0, 0, 0), /offset 4: this is not version 1/],
  ['a component', Uint8Array.of(0, 0x61, 0x73, 0x6d, 0x0d, 0, 1, 0), /a component, perhaps/],
  ['too large', new Uint8Array(8_388_609), /8388609 bytes, more than 8388608/],
  ['an unknown section', moduleOf([14, 0]), /offset 8: a section of a kind that is not known \(14\)/],
  ['a section twice', moduleOf(voidType, voidType), /section type comes twice, or too late/],
  ['sections out of order', moduleOf(section(7, 0), section(3, 0)), /section function comes twice, or too late/],
  ['data count after code', moduleOf(section(10, 0), section(12, 0)), /too late/],
  ['a section longer than the module', moduleOf([1, 100, 0]), /section type of 100 bytes ends too early/],
  ['a section of 4 GiB', moduleOf([1, 0xff, 0xff, 0xff, 0xff, 0x0f]), /of 4294967295 bytes ends too early/],
  ['a section with too much in it', moduleOf(section(1, 0, 0)), /section type, offset 11: 1 bytes too many/],
  ['a section with too little in it', moduleOf(section(1, 1)), /section type, offset 11: it ends too early/],
  ['a number of 6 bytes', moduleOf([1, 0x80, 0x80, 0x80, 0x80, 0x80, 0]), /offset 9: a number of more than 5 bytes/],
  ['a number of 35 bits', moduleOf([1, 0xff, 0xff, 0xff, 0xff, 0x1f]), /offset 9: a number of more than 32 bits/],
  ['a number that ends too early', moduleOf([1, 0x80]), /it ends too early/],
  ['a name that is not UTF-8', moduleOf(section(0, 2, 0xff, 0xfe)), /a name is not UTF-8/],
  ['a name with a lone surrogate', moduleOf(section(0, 3, 0xed, 0xa0, 0x80)), /a name is not UTF-8/],
  ['a name longer than its section', moduleOf(section(0, 9, 0x61)), /a name ends too early/],
  ['a name of 1 MiB', moduleOf(section(0, leb(1_048_576), new Uint8Array(1_048_576))), /a name of 1048576 bytes/],
  ['custom sections without end', moduleOf(many(257, section(0, name('x')))), /more than 256 custom sections/],
  ['a shared memory', moduleOf(section(5, 1, 3, 1, 2)), /section memory, offset 11: a shared memory/],
  ['a shared memory without an end', moduleOf(section(5, 1, 2, 1)), /a shared memory/],
  [
    'an imported shared memory',
    moduleOf(section(2, 1, name('e'), name('m'), 2, 3, 1, 2)),
    /section import.* a shared memory/,
  ],
  ['a memory of 64 bits', moduleOf(section(5, 1, 4, 1)), /addresses of 64 bits/],
  ['a memory with pages of its own size', moduleOf(section(5, 1, 8, 1, 0)), /of a kind that is not known \(0x8\)/],
  ['two memories', moduleOf(section(5, 2, 0, 1, 0, 1)), /2 memories, more than 1/],
  [
    'an imported memory and another',
    moduleOf(section(2, 1, name('e'), name('m'), 2, 0, 1), section(5, 1, 0, 1)),
    /a second memory/,
  ],
  ['a memory too large from the start', moduleOf(section(5, 1, 0, leb(1_025))), /a memory of 1025 pages to begin with/],
  [
    'an imported memory that is too large',
    moduleOf(section(2, 1, name('e'), name('m'), 2, 0, leb(65_536))),
    /65536 pages/,
  ],
  ['a maximum below the minimum', moduleOf(section(5, 1, 1, 5, 4)), /whose maximum is below its minimum/],
  ['a table too large', moduleOf(section(4, 1, 0x70, 0, leb(100_001))), /tables of 100001 entries, more than 100000/],
  ['tables too large together', moduleOf(section(4, 2, many(2, [0x70, 0, leb(60_000)]))), /tables of 120000 entries/],
  ['too many tables', moduleOf(section(4, leb(65), many(65, [0x70, 0, 0]))), /65 tables, more than 64/],
  ['a table of 64 bits', moduleOf(section(4, 1, 0x70, 4, 1)), /a table with addresses of 64 bits/],
  ['a table of nothing known', moduleOf(section(4, 1, 0x40, 1, 0x70, 0, 1)), /a table of a kind that is not known/],
  ['too many types', moduleOf([1, 0x05, leb(50_001), 0, 0]), /50001 types, more than 50000/],
  [
    'types in groups',
    moduleOf(section(1, 2, many(2, [0x4e, leb(26_000), many(26_000, [0x60, 0, 0])]))),
    /more than 50000 types/,
  ],
  [
    'a group of 4 thousand million types',
    moduleOf(section(1, 1, 0x4e, [0xff, 0xff, 0xff, 0xff, 0x0f])),
    /types of one group/,
  ],
  ['too many parameters', moduleOf(section(1, 1, 0x60, leb(1_001))), /1001 parameters, more than 1000/],
  ['too many fields', moduleOf(section(1, 1, 0x5f, leb(2_001))), /2001 fields/],
  ['two supertypes', moduleOf(section(1, 1, 0x50, 2, 0, 0, 0x60, 0, 0)), /2 supertypes/],
  ['a type of an unknown form', moduleOf(section(1, 1, 0x61)), /0x61 is no form of a type/],
  ['a parameter of an unknown type', moduleOf(section(1, 1, 0x60, 1, 0x7a)), /0x7a is no type of a value/],
  ['a field that is neither', moduleOf(section(1, 1, 0x5f, 1, 0x7f, 2)), /neither constant nor variable/],
  ['too many imports', moduleOf([2, 3, leb(10_001), 0]), /10001 imports, more than 10000/],
  [
    'an import of an unknown kind',
    moduleOf(section(2, 1, name('a'), name('b'), 5)),
    /an import of a kind that is not known/,
  ],
  [
    'an import of the engine itself',
    moduleOf(section(2, 1, name('wasm:js-string'), name('length'), 0, 0)),
    /"wasm:js-string", which nobody can give/,
  ],
  ['too many functions', moduleOf([3, 3, leb(100_001)]), /100001 functions, more than 100000/],
  ['functions without code', moduleOf(voidType, section(3, 1, 0)), /1 functions are declared, 0 have code/],
  ['code without functions', moduleOf(section(10, 1, 2, 0, 0x0b)), /0 functions are declared, 1 have code/],
  ['too many globals', moduleOf([6, 3, leb(50_001)]), /50001 globals/],
  ['a global that is neither', moduleOf(section(6, 1, 0x7f, 2, 0x41, 0, 0x0b)), /a global is neither/],
  ['too many exports', moduleOf([7, 3, leb(20_001)]), /20001 exports/],
  ['an export of an unknown kind', moduleOf(section(7, 1, name('x'), 5, 0)), /an export of a kind/],
  ['too many tags', moduleOf([13, 2, leb(1_001)]), /1001 tags/],
  ['a tag of an unknown kind', moduleOf(section(13, 1, 1, 0)), /a tag of a kind/],
  ['too many segments of data', moduleOf([11, 3, leb(50_001)]), /50001 segments of data/],
  ['data of an unknown form', moduleOf(section(11, 1, 3)), /3 as the form of a segment/],
  ['data longer than its section', moduleOf(section(11, 1, 1, 100, 0)), /section data, offset \d+: it ends too early/],
  ['too many segments of elements', moduleOf([9, 3, leb(100_001)]), /100001 segments of elements/],
  ['elements of an unknown form', moduleOf(section(9, 1, 8)), /8 as the form of a segment/],
  ['elements of an unknown kind', moduleOf(section(9, 1, 1, 1, 0)), /elements of a kind that is not known/],
  ['a segment of too many elements', moduleOf(section(9, 1, 1, 0, leb(100_001))), /100001 elements of one segment/],
  [
    'too many elements',
    moduleOf(section(9, 5, many(5, [1, 0, leb(90_000), new Uint8Array(90_000)]))),
    /more than 400000 elements/,
  ],
  [
    '4 thousand million locals',
    moduleOf(voidType, functions([1, [0xff, 0xff, 0xff, 0xff, 0x0f], 0x7f, 0x0b])),
    /4294967295 locals, more than 50000/,
  ],
  ['locals in groups', moduleOf(voidType, functions([3, many(3, [leb(20_000), 0x7f]), 0x0b])), /60000 locals/],
  [
    'locals of all functions',
    moduleOf(voidType, functions(...many(81, [1, leb(50_000), 0x7f, 0x0b]))),
    /more than 4000000 locals in all/,
  ],
  [
    'blocks in blocks',
    moduleOf(voidType, functions([0, many(10_001, [0x02, 0x40])])),
    /function 0 in section code, offset \d+: blocks within blocks deeper than 10000/,
  ],
  [
    'a function too long',
    moduleOf(voidType, section(3, 1, 0), [10, 0x84, 0x80, 0x80, 0x02, 1, leb(4_194_305), new Uint8Array(4_194_304)]),
    /4194305 bytes of one function/,
  ],
  [
    'a function longer than its section',
    moduleOf(voidType, section(3, 1, 0), section(10, 1, 9, 0, 0x0b)),
    /ends too early/,
  ],
  [
    'a function without an end',
    moduleOf(voidType, functions([0, 0x01])),
    /function 0 in section code, offset \d+: it ends too early/,
  ],
  ['a function with two ends', moduleOf(voidType, functions([0, 0x0b, 0x0b])), /1 bytes too many/],
  ['targets of a branch', moduleOf(voidType, functions([0, 0x0e, leb(65_521), 0x0b])), /65521 targets of one branch/],
  ['catches', moduleOf(voidType, functions([0, 0x1f, 0x40, 1, 4, 0x0b, 0x0b])), /a catch of a kind/],
  ['an unknown instruction', moduleOf(voidType, functions([0, 0x27, 0x0b])), /the instruction 0x27 is not known/],
  [
    'an unknown instruction with a prefix',
    moduleOf(voidType, functions([0, 0xfc, 0x63, 0x0b])),
    /the instruction 0xfc 99 is not known/,
  ],
  [
    'an instruction with a long number',
    moduleOf(voidType, functions([0, 0xfd, 0xff, 0xff, 0x03, 0x0b])),
    /the instruction 0xfd 65535 is not known/,
  ],
  ['waiting for others', moduleOf(voidType, functions([0, 0xfe, 0x01, 2, 0, 0x0b])), /0xfe 1 is for shared memory/],
  ['delegate on its own', moduleOf(voidType, functions([0, 0x18, 0, 0x0b])), /delegate outside of a block/],
  [
    'a constant of more than 32 bits',
    moduleOf(section(6, 1, 0x7f, 0, 0x41, 0xff, 0xff, 0xff, 0xff, 0x5f, 0x0b)),
    /more than 32 bits/,
  ],
  ['a constant of 6 bytes', moduleOf(section(6, 1, 0x7f, 0, 0x41, many(5, 0x80), 0, 0x0b)), /more than 5 bytes/],
  [
    'a constant of more than 64 bits',
    moduleOf(section(6, 1, 0x7e, 0, 0x42, many(9, 0xff), 0x3f, 0x0b)),
    /more than 64 bits/,
  ],
]

t.test('modules that are not taken, and the place that is told', (t) => {
  for (const [what, bytes, message] of hostile)
    t.throws(() => check(bytes), { code: 'ERR_CODE', message, details: { offset: Number } }, what)
  const evil = moduleOf(section(2, 1, name('wasm:\u001b[31m'), name('x'), 0, 0))
  t.throws(() => check(evil), { message: /"wasm:\ufffd\[31m"/ })
  t.end()
})

t.test('numbers that are odd and right', (t) => {
  const global = (...instructions: Piece[]) => moduleOf(section(6, 1, 0x7f, 0, instructions, 0x0b))
  for (const bytes of [
    global(0x41, 0xff, 0xff, 0xff, 0xff, 0x7f),
    global(0x41, 0x80, 0x80, 0x80, 0x80, 0x78),
    global(0x41, 0xff, 0xff, 0xff, 0xff, 0x07),
    global(0x41, 0x80, 0x80, 0x80, 0x80, 0x00),
    moduleOf(section(6, 1, 0x7e, 0, 0x42, many(9, 0xff), 0x7f, 0x0b)),
    moduleOf(section(6, 1, 0x7e, 0, 0x42, many(9, 0x80), 0x7f, 0x0b)),
    moduleOf([1, 0x84, 0x80, 0x80, 0x80, 0x00, 1, 0x60, 0, 0]),
    moduleOf(section(5, 1, 0, 0x81, 0x80, 0x00)),
  ]) {
    t.ok(WebAssembly.validate(bytes))
    t.ok(check(bytes))
  }
  t.end()
})

t.test('what newer modules are made of', (t) => {
  const modules: Readonly<Record<string, Uint8Array>> = {
    'structs and arrays': moduleOf(
      section(1, 1, 0x4e, 3, [0x50, 0, 0x5f, 2, 0x78, 1, 0x63, 0, 0], [0x5e, 0x77, 1], [0x60, 0, 0]),
      section(3, 1, 2),
      section(
        10,
        1,
        21,
        [0, 0xfb, 1, 0, 0xfb, 2, 0, 1, 0x1a, 0x41, 3, 0xfb, 7, 1, 0xfb, 15, 0x1a, 0xd0, 0, 0x1a, 0x0b],
      ),
    ),
    'types of their own': moduleOf(section(1, 2, [0x50, 0, 0x60, 0, 0], [0x4f, 1, 0, 0x60, 0, 0])),
    'references and a select with types': moduleOf(
      voidType,
      functions([0, 0xd0, 0x70, 0xd0, 0x70, 0x41, 0, 0x1c, 1, 0x70, 0xd1, 0x1a, 0x0b]),
    ),
    'a table with a first value': moduleOf(section(4, 1, 0x40, 0, 0x70, 0, 3, 0xd0, 0x70, 0x0b)),
    vectors: moduleOf(
      voidType,
      functions([0, 0xfd, 12, many(16, 1), 0xfd, 12, many(16, 2), 0xfd, 13, many(16, 3), 0xfd, 21, 4, 0x1a, 0x0b]),
    ),
    'relaxed vectors': moduleOf(
      voidType,
      functions([0, 0xfd, 12, many(16, 1), 0xfd, 12, many(16, 2), 0xfd, 0x80, 0x02, 0x1a, 0x0b]),
    ),
    'bulk memory': moduleOf(
      voidType,
      section(3, 1, 0),
      section(5, 1, 1, 1, 1),
      section(12, 1),
      code([
        ...[0, 0x41, 0, 0x41, 0, 0x41, 0, 0xfc, 8, 0, 0, 0xfc, 9, 0],
        ...[0x41, 0, 0x41, 0, 0x41, 0, 0xfc, 10, 0, 0, 0x0b],
      ]),
      section(11, 1, 1, 0),
    ),
    exceptions: moduleOf(
      voidType,
      section(3, 1, 0),
      section(13, 1, 0, 0),
      code([0, 0x02, 0x40, 0x1f, 0x40, 1, 2, 0, 0x08, 0, 0x0b, 0x0b, 0x01, 0x0b]),
    ),
    'older exceptions': moduleOf(
      voidType,
      section(3, 1, 0),
      section(13, 1, 0, 0),
      code([0, 0x06, 0x40, 0x08, 0, 0x07, 0, 0x19, 0x0b, 0x06, 0x40, 0x18, 0, 0x01, 0x0b]),
    ),
    'tail calls and a branch table': moduleOf(
      voidType,
      functions([0, 0x02, 0x40, 0x41, 0, 0x0e, 1, 0, 0, 0x0b, 0x12, 0, 0x0b]),
    ),
    'blocks with types': moduleOf(
      section(1, 2, [0x60, 0, 0], [0x60, 0, 1, 0x7f]),
      section(3, 1, 0),
      code([0, 0x02, 1, 0x41, 1, 0x0b, 0x1a, 0x02, 0x7f, 0x41, 1, 0x0b, 0x1a, 0x01, 0x01, 0x01, 0x0b]),
    ),
    'all forms of elements': moduleOf(
      voidType,
      section(3, 1, 0),
      section(4, 1, 0x70, 0, 10),
      section(9, 8, [
        [0, 0x41, 0, 0x0b, 1, 0],
        [1, 0, 1, 0],
        [2, 0, 0x41, 0, 0x0b, 0, 1, 0],
        [3, 0, 1, 0],
        [4, 0x41, 0, 0x0b, 1, 0xd2, 0, 0x0b],
        [5, 0x70, 1, 0xd0, 0x70, 0x0b],
        [6, 0, 0x41, 0, 0x0b, 0x70, 1, 0xd2, 0, 0x0b],
        [7, 0x70, 1, 0xd2, 0, 0x0b],
      ]),
      code([0, 0x0b]),
    ),
    'both forms of data': moduleOf(
      section(5, 1, 1, 1, 1),
      section(11, 2, [0, 0x41, 0, 0x0b, 1, 9], [2, 0, 0x41, 0, 0x0b, 1, 9]),
    ),
    'a start': moduleOf(voidType, section(3, 1, 0), section(8, 0), code([0, 0x0b])),
    'deep blocks': moduleOf(voidType, functions([0, many(9_999, [0x02, 0x40]), many(10_000, 0x0b)])),
  }
  for (const [which, bytes] of Object.entries(modules)) {
    t.ok(WebAssembly.validate(bytes), `${which}: V8`)
    t.ok(check(bytes), which)
  }
  t.end()
})

t.test('whatever is changed in a module, it is refused with a place or taken, and V8 takes no more than we do', (t) => {
  const modules = Object.values(foundModules()).map((bytes) => new Uint8Array(bytes))
  const change = fc.record({
    module: fc.constantFrom(...modules),
    at: fc.array(fc.tuple(fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true }), fc.nat(255)), {
      minLength: 1,
      maxLength: 4,
    }),
    cut: fc.option(fc.double({ min: 0, max: 1, noNaN: true })),
  })
  const known =
    /shared memory|a shared|64 bits|of a kind that is not known|deeper than|more than \d|pages to begin with/
  fc.assert(
    fc.property(change, ({ module, at, cut }) => {
      const bytes = module.slice(0, cut === null ? undefined : Math.floor(cut * module.length))
      for (const [place, value] of at) bytes[Math.floor(place * Math.min(bytes.length, 3_000))] = value
      try {
        check(bytes)
      } catch (error) {
        const { code, message } = error as { code: string; message: string }
        if (code !== 'ERR_CODE') throw error
        if (WebAssembly.validate(bytes) && !known.test(message)) throw error
      }
    }),
    { numRuns: 300 },
  )
  t.end()
})
