/**
 * Writes docs/config.md and schema/grove.config.schema.json from the config schema, so that neither can drift from it.
 * `node scripts/config-reference.ts` writes; a test compares.
 */

import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import { configSchema } from '../core/config.ts'

interface SchemaNode {
  readonly type?: string
  readonly description?: string
  readonly default?: unknown
  readonly properties?: Readonly<Record<string, SchemaNode>>
  readonly additionalProperties?: SchemaNode | boolean
  readonly items?: SchemaNode
  readonly anyOf?: readonly SchemaNode[]
  readonly oneOf?: readonly SchemaNode[]
  readonly enum?: readonly unknown[]
  readonly const?: unknown
  readonly required?: readonly string[]
  readonly minimum?: number
  readonly maximum?: number
}

/** The JSON Schema of the config file, as editors use it. */
export function jsonSchema(): string {
  const schema = z.toJSONSchema(configSchema, {
    io: 'input',
    unrepresentable: 'any',
    override: ({ zodSchema, jsonSchema: node }) => {
      // A default that depends on the machine (one front per core) must not be written down as a number.
      if (zodSchema._zod.def.type === 'default' && node.default === defaultFronts) delete node.default
    },
  })
  return `${JSON.stringify({ ...schema, title: 'grove.config.json' }, undefined, 2)}\n`
}

/** The reference page of the config, in Markdown. */
export function referencePage(): string {
  const schema = JSON.parse(jsonSchema()) as SchemaNode
  const rows = tableRows('', schema).map(
    ([key, type, fallback, text]) => `| \`${key}\` | ${type} | ${fallback} | ${text} |`,
  )
  return `# Config reference

Made from the schema in \`core/config.ts\` by \`node scripts/config-reference.ts\`. Every key is optional; a key that is
not here is an error. \`grove validate\` checks a file and tells all faults at once.

| key | type | default | meaning |
|---|---|---|---|
${rows.join('\n')}
`
}

const defaultFronts = configSchema.parse({}).fronts

function tableRows(path: string, node: SchemaNode): [string, string, string, string][] {
  const rows: [string, string, string, string][] = []
  const children = childrenOf(node)
  if (typeof node.additionalProperties === 'object') children.push(['<name>', node.additionalProperties])
  for (const [name, child] of children) {
    const key = path === '' ? name : `${path}.${name}`
    const text = (child.description ?? '').replaceAll('|', '\\|')
    rows.push([key, typeName(child), defaultText(child), text], ...tableRows(key, child))
  }
  return rows
}

/** Its keys; of a choice of objects those of all of them, the first of each name. */
function childrenOf(node: SchemaNode): [string, SchemaNode][] {
  const choices = (node.oneOf ?? []).flatMap(childrenOf)
  const found = new Map<string, SchemaNode>()
  for (const [name, child] of [...Object.entries(node.properties ?? {}), ...choices]) {
    const before = found.get(name)
    const isChoice = before?.const !== undefined && before.const !== child.const
    found.set(name, isChoice ? { ...before, anyOf: [before, child] } : (before ?? child))
  }
  return [...found]
}

function typeName(node: SchemaNode): string {
  if (node.enum) return node.enum.map((value) => `\`${JSON.stringify(value)}\``).join(', ')
  const choices = node.anyOf ?? node.oneOf
  if (choices) return [...new Set(choices.map(typeName))].join(' or ')
  if (node.const !== undefined) return `\`${JSON.stringify(node.const)}\``
  if (node.properties && node.required) return `\`{ ${node.required.join(', ')} }\``
  if (node.type === 'array') return `list of ${node.items ? typeName(node.items) : 'anything'}`
  const bounds = node.minimum !== undefined && node.maximum !== undefined ? ` ${node.minimum} to ${node.maximum}` : ''
  return `${node.type ?? 'plugin'}${bounds}`
}

function defaultText(node: SchemaNode): string {
  if (node.default === undefined || node.properties) return ''
  return `\`${JSON.stringify(node.default)}\``
}

if (import.meta.main) {
  const root = join(import.meta.dirname, '..')
  await writeFile(join(root, 'docs/config.md'), referencePage())
  await writeFile(join(root, 'schema/grove.config.schema.json'), jsonSchema())
}
