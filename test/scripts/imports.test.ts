// biome-ignore-all lint/suspicious/noTemplateCurlyInString: the sources under test have template texts in them

import t from 'tap'
import { readImports } from '../../scripts/imports.ts'

const cases: { name: string; source: string; expected: string[] }[] = [
  { name: 'a default and names', source: "import a, { b, type C as D } from './a.ts'", expected: ['./a.ts'] },
  { name: 'a namespace', source: "import * as a from './a.ts'", expected: ['./a.ts'] },
  { name: 'types only', source: "import type { A } from './a.ts'", expected: ['./a.ts'] },
  { name: 'several lines', source: "import {\n  a,\n  b,\n} from './a.ts'", expected: ['./a.ts'] },
  { name: 'for its effect', source: "import './a.ts'", expected: ['./a.ts'] },
  { name: 'double quotes', source: 'import { a } from "./a.ts"', expected: ['./a.ts'] },
  { name: 'attributes', source: "import a from './a.json' with { type: 'json' }", expected: ['./a.json'] },
  { name: 'dynamic', source: "const a = await import('./a.ts')", expected: ['./a.ts'] },
  { name: 'dynamic on a line of its own', source: "import(\n  './a.ts'\n)", expected: ['./a.ts'] },
  { name: 'a type query', source: "type A = typeof import('./a.ts')", expected: ['./a.ts'] },
  { name: 're-exports', source: "export { a } from './a.ts'\nexport * from './b.ts'", expected: ['./a.ts', './b.ts'] },
  { name: 're-exports of types', source: "export type { A } from './a.ts'", expected: ['./a.ts'] },
  { name: 'twice', source: "import { a } from './a.ts'\nexport { a } from './a.ts'", expected: ['./a.ts'] },
  { name: 'no semicolons, one after the other', source: "import 'a'\nimport b from 'b'", expected: ['a', 'b'] },
  { name: 'inside a template', source: "const a = `${await import('./a.ts')}`", expected: ['./a.ts'] },
  { name: 'inside braces in a template', source: "`${[{}].map(() => import('./a.ts'))} x`", expected: ['./a.ts'] },
  { name: 'after a regular expression', source: "const q = /['\"`/*]/\nimport './a.ts'", expected: ['./a.ts'] },
  { name: 'after a class in one', source: "x.replace(/[/'\\]]/g, '')\nimport './a.ts'", expected: ['./a.ts'] },
  { name: 'after a division', source: "const a = b / c\nimport './a.ts' // d / e", expected: ['./a.ts'] },
  { name: 'after an escaped quote', source: "const a = 'it\\'s'\nimport './a.ts'", expected: ['./a.ts'] },
  { name: 'in a comment', source: "// import './a.ts'\n/* import './b.ts' */", expected: [] },
  { name: 'in a doc comment', source: "/**\n * import { a } from './a.ts'\n */\nexport const b = 1", expected: [] },
  { name: 'in a string', source: `const a = "import './a.ts'"`, expected: [] },
  { name: 'a string after the word', source: "const to = { from: './a.ts' }", expected: [] },
  { name: 'in a template text', source: "const a = `import './a.ts'`", expected: [] },
  { name: 'in a text after a hole', source: "const a = `${b} import './a.ts'`", expected: [] },
  { name: 'in a regular expression', source: "const a = /import '.\\/a.ts'/", expected: [] },
  { name: 'an export of a value', source: "export const from = 'a'\nexport default 'b'", expected: [] },
  { name: 'a method of that name', source: "api.import('./a.ts')", expected: [] },
  { name: 'import.meta', source: "import.meta.resolve('./a.ts')", expected: [] },
  { name: 'a name that is computed', source: 'await import(name)', expected: [] },
  { name: 'what never ends', source: "const a = `${b\n/* import './a.ts'", expected: [] },
]

for (const { name, source, expected } of cases) {
  t.test(name, async (t) => t.strictSame(readImports(source), expected))
}
