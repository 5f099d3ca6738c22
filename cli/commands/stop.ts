/** `grove stop`: lets a running Grove finish what is under way and end. */

import { setTimeout as pause } from 'node:timers/promises'
import type { Command } from 'commander'
import { GroveError } from '../../core/errors.ts'
import { limits } from '../../core/limits.ts'
import { type CommandContext, type CommonOptions, connectAdmin, printResult, withCommon } from '../command-context.ts'

const pollMs = 100

/** Adds the command. */
export function addStop(program: Command, context: CommandContext): void {
  const command = program.command('stop').description('finish what is under way and end; waits until it has')
  withCommon(command, 'grove stop --data /var/lib/grove')
  command.action(async (options: CommonOptions) => {
    const pid = await askToStop(options, context)
    await waitForEnd(pid)
    printResult(options, context, { stopped: true }, ['stopped'])
  })
}

async function askToStop(options: CommonOptions, context: CommandContext): Promise<number> {
  using client = await connectAdmin(options, context)
  const { processes } = await client.status()
  const parent = processes.find(({ kind }) => kind === 'serve')
  if (!parent) throw new GroveError('ERR_INTERNAL', 'control does not know its parent')
  await client.stop()
  return parent.pid
}

async function waitForEnd(pid: number): Promise<void> {
  const giveUpAtMs = performance.now() + limits.drainMs + limits.stop.graceMs + limits.stop.controlMs
  while (isAlive(pid)) {
    if (performance.now() > giveUpAtMs)
      throw new GroveError('ERR_TIMEOUT', `grove (process ${pid}) is still there`, {
        hint: `a second signal ends it at once: kill ${pid}`,
      })
    await pause(pollMs)
  }
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch (error) {
    // EPERM: it is there, and belongs to somebody else.
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}
