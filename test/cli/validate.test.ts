import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import t from 'tap'
import { grove } from './command-line.ts'

const api = pathToFileURL(join(import.meta.dirname, '../../bin/api.js')).href

t.test(
  'validate tells all faults of plugins’ options with those of the config, and none of their values',
  async (t) => {
    const cwd = t.testdir({
      'grove.config.ts': `import { cdnVarnish, loginPassword } from ${JSON.stringify(api)}
export default {
  fronts: 0,
  plugins: [
    cdnVarnish({ urls: ['http://127.0.0.1:6081', 'http://user:hunter2@127.0.0.1'], token: 'hunter2' }),
    loginPassword({ accountLimit: { burst: 0, everyMs: 1 } }),
  ],
}`,
      'good.ts': `import { cdnVarnish, loginPassword } from ${JSON.stringify(api)}
export default { plugins: [cdnVarnish({ urls: ['http://127.0.0.1:6081'] }), loginPassword()] }`,
    })
    const bad = await grove(['validate'], { cwd })
    t.match(bad, { exitCode: 1, out: '' })
    const lines = bad.err.split('\n').map((line) => line.trim())
    for (const line of [
      'fronts: expected at least 1, found 0',
      'plugins[0].options.urls[1]: expected the URL of a Varnish without a path, such as http://127.0.0.1:6081, found a text',
      'plugins[0].options.token: expected no such key, found a text',
      'plugins[1].options.accountLimit.burst: expected at least 1, found a number',
    ])
      t.ok(lines.includes(line), line)
    t.match(bad.err, /4 faults/)
    t.notMatch(bad.err, /hunter2/)
    t.match(await grove(['validate', '--config', 'good.ts'], { cwd }), { exitCode: 0, out: /is valid: .*2 plugins/ })
  },
)
