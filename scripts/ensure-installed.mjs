// Installs the npm packages when they are missing or older than the lock file. Runs before `npm start` and `npm test`,
// so it must work on any Node.js that npm works on.

import { spawnSync } from 'node:child_process'
import { statSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))

/** Time of a file's last change, or 0 when there is none. */
function changedAtMs(path) {
  return statSync(new URL(path, new URL('..', import.meta.url)), { throwIfNoEntry: false })?.mtimeMs ?? 0
}

// npm writes this file at the end of every install, so an install that was cut off does not count.
if (changedAtMs('node_modules/.package-lock.json') < changedAtMs('package-lock.json')) {
  process.stdout.write('installing npm packages …\n')
  const { status, error } = spawnSync('npm', ['ci', '--no-audit', '--no-fund'], { cwd: root, stdio: 'inherit' })
  if (error) process.stderr.write(`cannot run npm: ${error.message}\n`)
  if (status !== 0) process.exit(status ?? 1)
}
