import t from 'tap'
import { blobFile, compiledFile, layoutOf, tailFile, uploadFile, variantFile } from '../../core/layout.ts'

t.test('every path of the data folder is made from hashes and fixed names', (t) => {
  const layout = layoutOf('/data')
  const hash = `ab${'0'.repeat(62)}`
  t.equal(layout.database, '/data/store.db')
  t.equal(blobFile(layout, hash), `/data/blobs/ab/${hash}`)
  t.equal(variantFile(layout, hash, 'br'), `/data/variants/ab/${hash}.br`)
  t.equal(compiledFile(layout, hash), `/data/compiled/ab/${hash}`)
  t.equal(uploadFile(layout, hash), `/data/uploads/ab/${hash}`)
  t.equal(tailFile(layout, hash), `/data/tails/${hash}`)
  t.end()
})
