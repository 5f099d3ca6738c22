import { X509Certificate } from 'node:crypto'
import { basename, dirname } from 'node:path'
import t from 'tap'
import { decodeLeaf, encodeLeaf, leafFile } from '../../certs/leaf-file.ts'
import { openOwnCa } from '../../certs/own-ca.ts'

t.test('the file of a name lies in the folder, whatever the name is', async (t) => {
  const names = ['blog.localhost', '../../etc/passwd', '/etc/passwd', 'a\0b', `${'a.'.repeat(126)}a`, '']
  for (const name of names) {
    const file = leafFile('/data/leaves', name)
    t.equal(dirname(file), '/data/leaves', JSON.stringify(name))
    t.match(basename(file), /^[0-9a-f]{64}\.pem$/)
  }
  t.equal(new Set(names.map((name) => leafFile('/', name))).size, names.length)
})

t.test('a leaf comes back from its file as it went in, and nothing else does', async (t) => {
  const ca = await openOwnCa(t.testdir({ other: {} }))
  const other = await openOwnCa(`${t.testdirName}/other`)
  const root = new X509Certificate(ca.rootPem)
  const leaf = await ca.issue('blog.localhost')
  const text = encodeLeaf(leaf)
  const nowMs = Date.now()
  t.strictSame(decodeLeaf(text, 'blog.localhost', root, nowMs), leaf)
  t.strictSame(decodeLeaf(text, 'blog.localhost', root, leaf.notAfterMs - 1), leaf)

  const refused = [
    { name: 'nothing', text: '' },
    { name: 'no key', text: leaf.chain },
    { name: 'no certificate', text: leaf.key },
    { name: 'a cut file', text: text.slice(0, -40) },
    { name: 'a flipped character', text: text.replace('MII', 'MIJ') },
    { name: 'a damaged key', text: leaf.chain + leaf.key.replace('MIG', 'MIH') },
    { name: 'the key of another leaf', text: leaf.chain + (await ca.issue('blog.localhost')).key },
    { name: 'a leaf of another name', text: encodeLeaf(await ca.issue('shop.localhost')) },
    { name: 'a leaf of another root', text: encodeLeaf(await other.issue('blog.localhost')) },
    { name: 'a leaf that has ended', text, nowMs: leaf.notAfterMs },
    { name: 'a leaf that has not begun', text, nowMs: nowMs - 2 * 3_600_000 },
  ]
  for (const wrong of refused)
    t.equal(decodeLeaf(wrong.text, 'blog.localhost', root, wrong.nowMs ?? nowMs), undefined, wrong.name)
})
