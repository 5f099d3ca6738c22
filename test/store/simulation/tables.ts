/** The tables of docs/store-testing.md. `node test/store/simulation/tables.ts` prints them. */

import { type World, worlds } from './worlds.ts'

/** What has to hold in a kind of simulation. */
export function checkerTable({ checkers }: World): string {
  const rows = checkers.map(({ name, holds }) => `| ${name} | ${holds} |`)
  return ['| checker | what has to hold |', '|---|---|', ...rows].join('\n')
}

/** What is broken on purpose in a kind of simulation. */
export function faultTable({ faults }: World): string {
  const rows = faults.map(
    ({ name, breaks, caughtBy, seeds }) => `| ${name} | ${breaks} | ${caughtBy.join(', ')} | ${seeds} |`,
  )
  return ['| planted fault | what it breaks | caught by | seeds at most |', '|---|---|---|---|', ...rows].join('\n')
}

if (import.meta.main)
  for (const world of worlds)
    process.stdout.write(`${world.name}\n\n${checkerTable(world)}\n\n${faultTable(world)}\n\n`)
