import { execFile } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, dirname, join } from 'node:path'
import { promisify } from 'node:util'
import t, { type Test } from 'tap'
import { startGrove } from '../e2e/harness.ts'

const run = promisify(execFile)
const root = join(import.meta.dirname, '../..')
const ownNode = dirname(process.execPath)

function folder(t: Test, name: string): string {
  const made = mkdtempSync(join(tmpdir(), `grove-${name}-`))
  t.teardown(() => rmSync(made, { recursive: true, force: true }))
  return made
}

/** Without what the test runner puts into every Node.js process to measure coverage. */
const plain = ['env', '-u', 'NODE_OPTIONS']

/** npm as this clone has it, with what it prints to people left out. */
async function npm(cwd: string, args: readonly string[], path = ''): Promise<string> {
  const env = { ...process.env, PATH: [path, ownNode, process.env['PATH']].filter(Boolean).join(delimiter) }
  const { stdout } = await run(
    'env',
    [...plain.slice(1), 'npm', ...args, '--no-audit', '--no-fund', '--loglevel=error'],
    {
      cwd,
      env,
    },
  )
  return stdout
}

/** A new folder with an empty package, so that npm installs there and nowhere above. */
function emptyPackage(t: Test, name: string): string {
  const made = folder(t, name)
  writeFileSync(
    join(made, 'package.json'),
    JSON.stringify({ private: true, type: 'module', allowScripts: { node: true } }),
  )
  return made
}

t.test('the packed package serves and publishes from an empty folder', { timeout: 600_000 }, async (t) => {
  const packed = folder(t, 'packed')
  await npm(root, ['pack', '--pack-destination', packed])
  const [tarball = ''] = readdirSync(packed)
  t.match(tarball, /^grove-\d+\.\d+\.\d+\.tgz$/)
  const { stdout } = await run('tar', ['-tf', join(packed, tarball)])
  const files = stdout.trim().split('\n')

  t.test('holds compiled JavaScript with types, and neither sources nor tests', async (t) => {
    for (const wanted of [
      'bin/grove.js',
      'bin/api.js',
      'dist/cli/main.js',
      'dist/cli/api.d.ts',
      'docs/operators.md',
      'schema/grove.config.schema.json',
      'ARCHITECTURE.md',
      'LICENSE',
      'README.md',
    ])
      t.ok(files.includes(`package/${wanted}`), wanted)
    t.ok(files.includes('package/dist/plugins/cdn-varnish/grove.vcl'), 'what is no source is there too')
    const strange = files.filter((file) => (file.endsWith('.ts') && !file.endsWith('.d.ts')) || /\btests?\//.test(file))
    t.strictSame(strange, [])
  })

  const installed = emptyPackage(t, 'installed')
  await npm(installed, ['install', join(packed, tarball), '--prefer-offline'])

  t.test('its types fit a config that is written against them', async (t) => {
    const config = "import { defineConfig, loginPassword } from 'grove'\n"
    writeFileSync(join(installed, 'good.ts'), `${config}export default defineConfig({ plugins: [loginPassword()] })\n`)
    writeFileSync(
      join(installed, 'bad.ts'),
      `${config}export default defineConfig({ plugins: [loginPassword], x: 1 })\n`,
    )
    const options = ['--noEmit', '--strict', '--module', 'nodenext', '--target', 'esnext', '--ignoreConfig']
    const types = ['--types', 'node', '--typeRoots', join(root, 'node_modules/@types'), '--skipLibCheck']
    const tsc = (file: string) =>
      run('env', [...plain.slice(1), join(root, 'node_modules/.bin/tsc'), ...options, ...types, file], {
        cwd: installed,
      }).then(
        () => '',
        (error: { stdout: string }) => error.stdout,
      )
    t.equal(await tsc('good.ts'), '')
    t.match(await tsc('bad.ts'), /bad\.ts\(2/)
  })

  const older = emptyPackage(t, 'node24')
  await npm(older, ['install', 'node@24', '--prefer-offline'])
  const nodes = [
    { major: 24, bin: join(older, 'node_modules/.bin') },
    { major: 26, bin: ownNode },
  ]
  for (const { major, bin } of nodes) {
    t.test(`on Node.js ${major}`, async (t) => {
      const node = join(bin, 'node')
      t.match((await run(node, ['--version'])).stdout, new RegExp(`^v${major}\\.`))
      const env = { PATH: `${bin}${delimiter}${process.env['PATH']}` }
      const command = [...plain, node, join(installed, 'node_modules/.bin/grove')]
      const grove = await startGrove(t, {
        command,
        env,
        config: { fronts: 1, sandbox: { spares: 1 } },
        from: installed,
      })
      const site = join(grove.folder, 'site')
      mkdirSync(site)
      writeFileSync(join(site, 'index.html'), `served by ${major}`)
      const code =
        'export default { fetch: (request: Request) => new Response("code at " + new URL(request.url).pathname) }'
      writeFileSync(join(site, '_worker.ts'), code)
      t.match(await grove.publish('blog', site), { version: 1 })
      for (const ask of ['http1', 'http2'] as const)
        t.equal(String((await grove.visitor[ask](grove.url('blog'))).body), `served by ${major}`)
      t.equal(String((await grove.visitor.http1(grove.url('blog', '/x'))).body), 'code at /x', 'in a sandbox')
      const { processes } = await grove.status()
      for (const { kind, pid } of processes)
        t.match(
          readFileSync(`/proc/${pid}/cmdline`, 'utf8'),
          kind === 'serve' ? 'grove' : '/dist/cli/',
          `${kind} is compiled`,
        )
      t.strictSame(await grove.stop(), { code: 0, signal: null })
    })
  }
})
