import { once } from 'node:events'
import { chmod, mkdir, readdir, writeFile } from 'node:fs/promises'
import { type AddressInfo, createServer } from 'node:net'
import { join } from 'node:path'
import type { Test } from 'tap'
import { cloudflareDns } from '../../../plugins/dns/cloudflare.ts'
import { desecDns } from '../../../plugins/dns/desec.ts'
import { execDns } from '../../../plugins/dns/exec.ts'
import { rfc2136Dns } from '../../../plugins/dns/rfc2136.ts'
import { route53Dns } from '../../../plugins/dns/route53.ts'
import { startBind } from '../../services/bind.ts'
import { type ApiServer, startApi } from './api-server.ts'
import { startCloudflare } from './cloudflare-server.ts'
import { contract } from './contract.ts'
import { startDesec } from './desec-server.ts'
import { startRoute53 } from './route53-server.ts'

const zone = 'example.test'
/** A zone below the other, and one that only looks like it. */
const zones = [zone, `sub.${zone}`, `not${zone}`]
const wait = async () => undefined
const timeoutMs = 200
const wrong = 'wrong0123456789wrong0123456789wrong01234'

async function brokenServers(t: Test, say: string): Promise<{ hanging: ApiServer; broken: ApiServer }> {
  const hanging = await startApi(t, () => ({ status: 200 }))
  hanging.fault = () => 'hang'
  const broken = await startApi(t, () => ({ status: 503, body: say }))
  return { hanging, broken }
}

contract('cloudflare', async (t) => {
  const server = await startCloudflare(t, zones)
  const { token, url } = server
  const { hanging, broken } = await brokenServers(t, `<html>Bearer ${token}</html>`)
  const missing = { env: 'GROVE_TEST_NO_SUCH_VARIABLE' }
  return {
    zone: `sub.${zone}`,
    provider: cloudflareDns({ token, url, wait }),
    texts: async (name) => {
      const records = server.zones.get(`sub.${zone}`)?.records ?? []
      const values = records.filter((one) => one.name === name).map(({ content }) => content)
      t.ok(
        values.every((value) => /^".*"$/.test(value)),
        'values are in quotes',
      )
      return values.map((value) => value.slice(1, -1)).sort()
    },
    denied: [wrong, 'two words', 'short'].map((bad) => cloudflareDns({ token: bad, url, wait })),
    deniedReason: 'denied',
    hanging: cloudflareDns({ token, url: hanging.url, wait, timeoutMs }),
    broken: cloudflareDns({ token, url: broken.url, wait }),
    brokenReason: 'unavailable',
    unknownReason: 'zone',
    secrets: [token, wrong, 'two words', missing.env],
  }
})

contract('desec', async (t) => {
  const server = await startDesec(t, zones)
  const { token, url } = server
  const { hanging, broken } = await brokenServers(t, `{"detail":"Token ${token}"}`)
  return {
    zone: `sub.${zone}`,
    provider: desecDns({ token, url, wait }),
    texts: async (name) => {
      const set = server.domains.get(`sub.${zone}`)?.get(`${name.slice(0, -`.sub.${zone}`.length)} TXT`)
      return (set?.records ?? []).map((value) => value.slice(1, -1)).sort()
    },
    denied: [desecDns({ token: wrong, url, wait })],
    deniedReason: 'denied',
    hanging: desecDns({ token, url: hanging.url, wait, timeoutMs }),
    broken: desecDns({ token, url: broken.url, wait }),
    brokenReason: 'unavailable',
    unknownReason: 'zone',
    secrets: [token, wrong],
  }
})

contract('route53', async (t) => {
  const server = await startRoute53(t, zones)
  const { accessKeyId, secretAccessKey, sessionToken, url } = server
  const { hanging, broken } = await brokenServers(t, `<Message>${secretAccessKey}</Message>`)
  const credentials = { accessKeyId, secretAccessKey, sessionToken }
  return {
    zone: `sub.${zone}`,
    provider: route53Dns({ ...credentials, url, wait }),
    texts: async (name) => {
      const sets = server.zones.find((one) => one.name === `sub.${zone}.` && !one.isPrivate)?.sets
      return [...(sets?.get(`${name}.`)?.values ?? [])].map((value) => value.slice(1, -1)).sort()
    },
    denied: [
      route53Dns({ ...credentials, secretAccessKey: wrong, url, wait }),
      route53Dns({ ...credentials, accessKeyId: 'AKIDWRONG', url, wait }),
    ],
    deniedReason: 'denied',
    hanging: route53Dns({ ...credentials, url: hanging.url, wait, timeoutMs }),
    broken: route53Dns({ ...credentials, url: broken.url, wait }),
    brokenReason: 'unavailable',
    unknownReason: 'zone',
    secrets: [secretAccessKey, sessionToken, wrong],
  }
})

contract('rfc2136', async (t) => {
  const bind = await startBind(t, { zones: Object.fromEntries(zones.map((name) => [name, ''])) })
  const { server, key, powerless } = bind
  const silent = createServer((socket) => socket.on('error', () => undefined)).listen(0, '127.0.0.1')
  const rude = createServer((socket) => socket.end()).listen(0, '127.0.0.1')
  await Promise.all([silent, rude].map((one) => once(one, 'listening')))
  t.teardown(() => silent.close())
  t.teardown(() => rude.close())
  silent.on('connection', (socket) => t.teardown(() => socket.destroy()))
  const place = (one: typeof silent) => `127.0.0.1:${(one.address() as AddressInfo).port}`
  return {
    zone,
    provider: rfc2136Dns({ server, key }),
    texts: (name) => bind.texts(name),
    denied: [
      rfc2136Dns({ server, key: powerless }),
      rfc2136Dns({ server, key: { ...key, name: 'nobodys.key' } }),
      rfc2136Dns({ server, key: { ...key, secret: powerless.secret } }),
      rfc2136Dns({ server, key: { ...key, secret: 'not base64!' } }),
      rfc2136Dns({ server, key: { ...key, algorithm: 'hmac-sha512' } }),
    ],
    deniedReason: 'denied',
    hanging: rfc2136Dns({ server: place(silent), key, timeoutMs }),
    broken: rfc2136Dns({ server: place(rude), key }),
    brokenReason: 'answer',
    unknownReason: 'zone',
    secrets: [key.secret, powerless.secret, 'not base64!'],
  }
})

contract('exec', async (t) => {
  const folder = t.testdir({ records: {} })
  const command = join(folder, 'dns-program')
  const secret = 'a secret of "several" words'
  await writeFile(
    command,
    `#!/bin/sh
set -eu
[ "$DNS_TOKEN" = '${secret}' ] || { echo 'noise'; echo "the token $DNS_TOKEN is wrong" >&2; exit 3; }
[ "$GROVE_DNS_TYPE" = TXT ] && [ "$GROVE_DNS_TTL" = 60 ] && [ "$1 $2" = 'with  two $arguments' ]
cd ${folder}/records
case $GROVE_DNS_ACTION in
  present) mkdir -p "$GROVE_DNS_NAME"; : > "$GROVE_DNS_NAME/$GROVE_DNS_VALUE" ;;
  remove) rm -f "$GROVE_DNS_NAME/$GROVE_DNS_VALUE" ;;
esac
`,
  )
  const hang = join(folder, 'hang')
  // What it starts holds the output open and has to end as well.
  await writeFile(hang, '#!/bin/sh\nsleep 600 & sleep 600\n')
  for (const file of [command, hang]) await chmod(file, 0o755)
  await mkdir(join(folder, 'not-a-program'))
  const args = ['with ', 'two $arguments']
  return {
    zone,
    provider: execDns({ command, args, env: { DNS_TOKEN: secret } }),
    texts: async (name) => (await readdir(join(folder, 'records', name)).catch(() => [])).sort(),
    denied: [execDns({ command, args, env: { DNS_TOKEN: wrong } })],
    deniedReason: 'refused',
    hanging: execDns({ command: hang, timeoutMs }),
    broken: execDns({ command: join(folder, 'not-a-program') }),
    brokenReason: 'refused',
    unknownReason: undefined,
    secrets: [secret, wrong],
  }
})
