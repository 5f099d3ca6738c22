/**
 * The law of imports: which folder may import from which, and no circles among files. `npm run check` runs it, and
 * test/repository/layers.test.ts proves that it would notice.
 */

import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { readImports } from './imports.ts'

/** The table of ARCHITECTURE.md: what each folder may import from, besides itself. `*` for everything. */
export const layers: Readonly<Record<string, readonly string[] | '*'>> = {
  core: [],
  store: ['core'],
  certs: ['core', 'store'],
  sandbox: ['core'],
  plugins: ['core'],
  proxy: ['core', 'store', 'certs'],
  control: ['core', 'store', 'certs'],
  cli: '*',
  examples: '*',
  bench: '*',
  scripts: '*',
  test: '*',
}

/** What `import … from 'grove'` means inside the repository. */
const packageName = 'grove'
const skippedFolders = new Set(['node_modules', 'dist', 'data', 'fixtures', '.tap', '.git'])

/** Every fault in the imports under `root`, one line each; empty when all is well. */
export function checkLayers(root: string): string[] {
  const faults: string[] = []
  const graph = new Map<string, string[]>()
  for (const file of Object.keys(layers).flatMap((folder) => listSources(root, folder))) {
    const targets: string[] = []
    for (const specifier of readImports(readFileSync(join(root, file), 'utf8'))) {
      const target = resolveImport(file, specifier)
      if (target === undefined) continue
      const fault = faultOf(root, file, target)
      if (fault === undefined) targets.push(target)
      else faults.push(`${file} imports ${specifier}: ${fault}`)
    }
    graph.set(file, targets)
  }
  return [...faults, ...findCircles(graph).map((circle) => `circle: ${circle.join(' -> ')}`)]
}

function listSources(root: string, folder: string): string[] {
  if (!existsSync(join(root, folder))) return []
  return readdirSync(join(root, folder), { withFileTypes: true }).flatMap((entry) => {
    const path = `${folder}/${entry.name}`
    if (entry.isDirectory()) return skippedFolders.has(entry.name) ? [] : listSources(root, path)
    return /\.(?:ts|mjs|js)$/.test(entry.name) ? [path] : []
  })
}

/** The file that an import leads to, from the root; undefined for packages other than our own. */
function resolveImport(file: string, specifier: string): string | undefined {
  if (specifier === packageName) return 'cli/api.ts'
  if (!specifier.startsWith('.')) return undefined
  return relative('.', join(dirname(file), specifier.replace(/\?.*$/, '')))
}

function faultOf(root: string, file: string, target: string): string | undefined {
  const from = file.split('/')[0] ?? ''
  const to = target.split('/')[0] ?? ''
  const allowed = layers[from]
  if (!existsSync(join(root, target))) return 'there is no such file'
  if (from === to || allowed === '*') return undefined
  if (allowed?.includes(to)) return undefined
  return `${from} may import from ${allowed?.length ? allowed.join(', ') : 'nothing'}, not from ${to}`
}

/** Circles in a graph keyed by file, each as a path that ends where it began. Every file on a circle is in one of them. */
function findCircles(graph: ReadonlyMap<string, readonly string[]>): string[][] {
  const circles: string[][] = []
  const done = new Set<string>()
  const path: string[] = []
  const visit = (file: string) => {
    const start = path.indexOf(file)
    if (start !== -1) {
      circles.push([...path.slice(start), file])
      return
    }
    if (done.has(file)) return
    path.push(file)
    for (const target of graph.get(file) ?? []) visit(target)
    path.pop()
    done.add(file)
  }
  for (const file of graph.keys()) visit(file)
  return circles
}

if (import.meta.main) {
  const faults = checkLayers(join(import.meta.dirname, '..'))
  for (const fault of faults) console.error(fault)
  if (faults.length > 0) process.exitCode = 1
}
