import { createHash } from 'node:crypto'
import t from 'tap'
import { missingBlobs } from '../../store/missing-blobs.ts'

const hashOf = (content: string) => createHash('sha256').update(content).digest('hex')
const file = (path: string, content: string, bytes = content.length) => ({ path, hash: hashOf(content), bytes })

function blobsWith(...contents: string[]) {
  const asked: string[] = []
  const damaged = new Set<string>()
  const lengths = new Map(contents.map((content) => [hashOf(content), content.length]))
  return {
    asked,
    damaged,
    discardDamaged: async (hash: string) => damaged.delete(hash),
    bytesOf: async (hash: string) => {
      asked.push(hash)
      return lengths.get(hash)
    },
  }
}

t.test('what is not there is answered, each content once, in the order of the files', async (t) => {
  const blobs = blobsWith('here')
  const files = [file('a', 'gone'), file('b', 'here'), file('c', 'lost'), file('d', 'gone'), file('e', 'here')]
  t.same(await missingBlobs(blobs, files), [hashOf('gone'), hashOf('lost')])
  t.same(blobs.asked.sort(), [hashOf('gone'), hashOf('here'), hashOf('lost')].sort(), 'each was looked for once')
  t.same(await missingBlobs(blobs, []), [])
})

t.test('a file whose content has another length is refused by name, every one of them', async (t) => {
  const blobs = blobsWith('here')
  const files = [file('right', 'here'), file('short', 'here', 3), file('long', 'here', 5), file('gone', 'lost')]
  await t.rejects(missingBlobs(blobs, files), {
    code: 'ERR_PUBLISH_REFUSED',
    details: {
      count: 2,
      refused: [
        { path: 'short', reason: 'has 4 bytes, not 3' },
        { path: 'long', reason: 'has 4 bytes, not 5' },
      ],
    },
  })
})

t.test('a disk that cannot be read is told', async (t) => {
  const blobs = { bytesOf: () => Promise.reject(new Error('disk')), discardDamaged: async () => false }
  await t.rejects(missingBlobs(blobs, [file('a', 'a')]), { message: 'disk' })
})

t.test('a content that the disk has cut short is asked for again, and refuses nothing', async (t) => {
  const blobs = blobsWith('he', 'fine')
  const cut = { path: 'cut', hash: hashOf('he'), bytes: 4 }
  blobs.damaged.add(cut.hash)
  t.same(await missingBlobs(blobs, [cut, { ...cut, path: 'copy' }, file('fine', 'fine')]), [cut.hash])
  await t.rejects(missingBlobs(blobs, [cut]), { code: 'ERR_PUBLISH_REFUSED' }, 'one that is whole is not')
})
