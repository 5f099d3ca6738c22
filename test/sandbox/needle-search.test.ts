import t from 'tap'
import { createNeedleSearch, givenUpLabel, type Needle } from '../../sandbox/needle-search.ts'
import { createRedactor } from '../../sandbox/secrets.ts'

/** What the search is to find, by looking for each needle at each place. */
function findSlowly(text: string, needles: readonly Needle[]): [number, number][] {
  const hidden = new Set<number>()
  const parts: [number, number][] = []
  for (const { text: needle } of needles)
    for (let start = text.indexOf(needle); start !== -1; start = text.indexOf(needle, start + 1))
      parts.push([start, start + needle.length])
  for (const [start, end] of parts) for (let at = start; at < end; at += 1) hidden.add(at)
  return [...hidden].sort((a, b) => a - b).map((at) => [at, at + 1])
}

t.test('finds what a look at every place finds', (t) => {
  let state = 7
  const next = (most: number) => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0
    return (state >>> 16) % most
  }
  const word = (chars: number) => Array.from({ length: chars }, () => 'abü\u{1f511}'[next(3)]).join('')
  for (let round = 0; round < 300; round += 1) {
    const needles = Array.from({ length: 1 + next(20) }, () => ({ text: word(8 + next(6)), label: 'x' }))
    const text = Array.from({ length: 5 }, () =>
      next(2) ? (needles[next(needles.length)]?.text ?? '') : word(next(30)),
    ).join('')
    const found = createNeedleSearch(needles)
      .find(text)
      .flatMap(({ start, end }) =>
        Array.from({ length: end - start }, (_, index) => [start + index, start + index + 1]),
      )
    t.same(found, findSlowly(text, needles), JSON.stringify({ text, needles }))
  }
  t.end()
})

t.test('the beginning, the end, and texts that are too short', (t) => {
  const { find, longest } = createNeedleSearch([{ text: '12345678', label: 'N' }])
  t.equal(longest, 8)
  t.same(find('12345678'), [{ start: 0, end: 8, label: 'N' }])
  t.same(find('x12345678'), [{ start: 1, end: 9, label: 'N' }])
  t.same(find('1234567'), [])
  t.same(find(''), [])
  t.same(createNeedleSearch([]).find('12345678'), [])
  t.end()
})

t.test('a text that would take long is given up, and nothing of the rest is shown', (t) => {
  const secrets = Array.from({ length: 64 }, (_, index) => ({
    name: `S${index}`,
    value: Array.from({ length: 90 }, (_, line) => `${'a'.repeat(40)}${index}-${line}`).join('\n'),
  }))
  const shown = createRedactor(secrets).text(`before ${'a'.repeat(16_000)} ${secrets[7]?.value.slice(0, 44)}`)
  t.match(shown, /^before a+/)
  t.ok(shown.endsWith(givenUpLabel), shown.slice(-100))
  t.notMatch(shown, /7-0/)
  t.end()
})

t.test('however large secrets are, their spellings have a bound', (t) => {
  const value = (index: number) => `${index}`.padStart(8, '0') + 'k'.repeat(60_000)
  const redactor = createRedactor(
    Array.from({ length: 256 }, (_, index) => ({ name: `S${index}`, value: value(index) })),
  )
  t.equal(redactor.text(`x ${value(0)} y`), 'x [secret S0] y', 'the first are looked for')
  t.end()
})
