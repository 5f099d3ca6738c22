import t from 'tap'
import { nodeEnvironment } from '../../../store/environment-node.ts'
import { s3Objects } from '../../../store/objects/s3-objects.ts'
import type { S3Options } from '../../../store/objects/s3-options.ts'
import { startS3 } from '../../services/s3.ts'
import { objectsContract } from './contract.ts'

const server = await startS3(t)
const optionsOf = async (): Promise<S3Options> => ({ ...server, bucket: await server.bucket() })

t.test('a bucket', (t) => {
  objectsContract(t, async (t) => {
    const objects = s3Objects({ ...(await optionsOf()), prefix: 'some/place' }, nodeEnvironment)
    t.teardown(() => objects[Symbol.asyncDispose]())
    return objects
  })
  t.end()
})
