import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { jsonSchema, referencePage } from '../../scripts/config-reference.ts'

const root = join(import.meta.dirname, '../..')

t.test('the reference page and the JSON Schema are those of the schema', (t) => {
  t.equal(readFileSync(join(root, 'docs/config.md'), 'utf8'), referencePage(), 'node scripts/config-reference.ts')
  t.equal(readFileSync(join(root, 'schema/grove.config.schema.json'), 'utf8'), jsonSchema())
  t.end()
})

t.test('every key is described', (t) => {
  for (const line of referencePage()
    .split('\n')
    .filter((row) => row.startsWith('| `')))
    t.notMatch(line, /\|\s*\|$/, line)
  t.end()
})
