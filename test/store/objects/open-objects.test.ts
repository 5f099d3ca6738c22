import { join } from 'node:path'
import t from 'tap'
import { nodeEnvironment } from '../../../store/environment-node.ts'
import { openObjects } from '../../../store/objects/open-objects.ts'

t.test('objects lie in the folder unless there is a bucket', async (t) => {
  const folder = join(t.testdir(), 'objects')
  await using local = await openObjects(nodeEnvironment, { folder })
  t.match(local, { name: folder, isRemote: false })
  const bucket = {
    endpoint: 'https://s3.example.com',
    bucket: 'b',
    prefix: 'p',
    accessKeyId: 'a',
    secretAccessKey: 's',
  }
  await using remote = await openObjects(nodeEnvironment, { folder, bucket })
  t.match(remote, { name: 's3://b/p', isRemote: true, requests: { PUT: 0, GET: 0, HEAD: 0, LIST: 0, DELETE: 0 } })
})
