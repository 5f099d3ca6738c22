import t from 'tap'
import { parseConfig } from '../../core/config.ts'
import { limitsOfTier } from '../../core/sandbox-config.ts'
import { defaultSandboxLimits } from '../../core/sandbox-limits.ts'

t.test('a tier is numbers over the defaults, and a site has those of the tier that it names', (t) => {
  const { sandbox, sites } = parseConfig(
    {
      sandbox: { tiers: { default: { cpuMs: 20 }, large: { cpuMs: 500, heapMiB: 128 } } },
      sites: { shop: { tier: 'large' }, blog: { tier: 'default' }, wiki: {} },
    },
    'the test',
  )
  t.same(limitsOfTier(sandbox, sites['shop']?.tier), { ...defaultSandboxLimits, cpuMs: 500, heapMiB: 128 })
  t.same(limitsOfTier(sandbox, sites['wiki']?.tier), { ...defaultSandboxLimits, cpuMs: 20 })
  t.same(limitsOfTier(sandbox, 'gone'), defaultSandboxLimits, 'of a site that left the config')
  t.same(limitsOfTier(sandbox, '__proto__'), defaultSandboxLimits)
  t.end()
})

t.test('without a word about it, code of sites runs', (t) => {
  t.match(parseConfig({}, 'the test').sandbox, { enabled: true, tiers: {}, ports: [], denied: [] })
  t.end()
})

t.test('what cannot be is told with its path', (t) => {
  for (const [input, fault] of [
    [{ sandbox: { tiers: { a: { cpuMs: 5_001 } } } }, /sandbox\.tiers\.a\.cpuMs/],
    [{ sandbox: { tiers: { a: { cpu: 1 } } } }, /sandbox\.tiers\.a/],
    [{ sandbox: { tiers: { 'A b': {} } } }, /a name of a tier/],
    [{ sandbox: { firstUid: 0 } }, /sandbox\.firstUid/],
    [{ sandbox: { ports: [0] } }, /sandbox\.ports\[0\]/],
    [{ sandbox: { denied: ['10.0.0.0/33'] } }, /sandbox\.denied\[0\]/],
    [
      { sites: { blog: { tier: 'gone' } } },
      /sites\.blog\.tier: expected a tier of sandbox\.tiers \(default\), found "gone"/,
    ],
  ] as const)
    t.throws(() => parseConfig(input, 'the test'), { code: 'ERR_CONFIG_INVALID', message: fault })
  t.end()
})
