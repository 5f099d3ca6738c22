import { join } from 'node:path'
import t, { type Test } from 'tap'
import { openCertificateParts } from '../../control/certificate-parts.ts'
import { type ConfigInput, parseConfig } from '../../core/config.ts'
import { layoutOf } from '../../core/layout.ts'
import { nodeEnvironment as env } from '../../store/environment-node.ts'
import { plainVault } from '../certs/fixtures/plain-vault.ts'
import { silentLog } from './fixtures/silent-log.ts'

async function open(t: Test, certs: ConfigInput['certs'], isRemote: boolean) {
  const stack = new AsyncDisposableStack()
  t.teardown(() => stack.disposeAsync())
  return openCertificateParts({
    config: parseConfig({ domain: 'example.com', certs }, 'the test'),
    layout: layoutOf(t.testdir({})),
    vault: plainVault(new Map()),
    objects: { isRemote },
    env,
    filesChanged: () => {},
    log: silentLog,
    stack,
  })
}

t.test('challenges are shared where another Grove can see the vault, and there are any', async (t) => {
  const folder = join(t.testdir({}), 'shared')
  const cases: [name: string, certs: ConfigInput['certs'], isRemote: boolean, expected: boolean][] = [
    ['the data folder of one machine', {}, false, false],
    ['a folder that was named', { folder }, false, true],
    ['a bucket, which one machine takes over from another', {}, true, true],
    ['a named folder beside a bucket', { folder }, true, true],
    ['a bucket, and no CA that sets challenges', { acme: false }, true, false],
  ]
  for (const [name, certs, isRemote, expected] of cases)
    await t.test(name, async (t) => t.equal((await open(t, certs, isRemote)).isShared, expected))
})
