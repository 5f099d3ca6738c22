import { join } from 'node:path'
import t from 'tap'
import { nodeEnvironment } from '../../store/environment-node.ts'
import { s3Objects } from '../../store/objects/s3-objects.ts'
import { startS3 } from '../services/s3.ts'
import { startMachine } from './fixtures/vaults.ts'
import { vaultContract } from './vault-contract.ts'

const server = await startS3(t)

t.test('in a real bucket, each machine with a client of its own', (t) => {
  vaultContract(t, async (t, count) => {
    t.testdir()
    const options = { ...server, bucket: await server.bucket(), prefix: 'some/place' }
    const machines = Array.from({ length: count }, async (_, index) => {
      const remote = s3Objects(options, nodeEnvironment)
      const machine = await startMachine(t, join(t.testdirName, String(index)), { remote })
      t.teardown(() => remote[Symbol.asyncDispose]())
      return machine.vault
    })
    return Promise.all(machines)
  })
  t.end()
})
