#!/usr/bin/env node
// The command. Plain JavaScript, so that a Node.js that is too old can still say so.

import { existsSync } from 'node:fs'

// From here on Node.js strips types without a warning, and has argon2.
const oldest = [24, 12]
const [major, minor] = process.versions.node.split('.').map(Number)
if (major < oldest[0] || (major === oldest[0] && minor < oldest[1])) {
  process.stderr.write(
    `error: grove needs Node.js ${oldest.join('.')} or newer, and this is ${process.versions.node}\n` +
      'hint: in a clone, "npx grove" uses the Node.js that "npm ci" put there\n',
  )
  process.exitCode = 1
} else {
  // A reader that went away, such as "| head", is no failure of ours.
  process.stdout.on('error', (error) => process.exit(error.code === 'EPIPE' ? 0 : 1))
  // A clone runs from its sources; the package has only the compiled form.
  const folder = existsSync(new URL('../cli/main.ts', import.meta.url)) ? '../cli' : '../dist/cli'
  const extension = folder === '../cli' ? 'ts' : 'js'
  const [{ main }, { processTerminal }] = await Promise.all([
    import(`${folder}/main.${extension}`),
    import(`${folder}/terminal.${extension}`),
  ])
  process.exitCode = await main(process.argv.slice(2), processTerminal())
}
