/** Watches the folder of a site for changes that matter. */

import { watch } from 'node:fs'
import { limits } from '../../core/limits.ts'
import { devVariablesFile } from './dev-variables.ts'

/**
 * Calls back a moment after something in a folder has changed: once for all that changes together. What a publish leaves out
 * (`node_modules`, names that begin with a dot) is not looked at, but for `.dev.vars`. `failed` is told when the system
 * watches no more.
 */
export function watchFolder(root: string, changed: () => void, failed: (error: Error) => void): Disposable {
  let timer: NodeJS.Timeout | undefined
  const watcher = watch(root, { recursive: true, ignore: (name) => !matters(name) }, (_, name) => {
    if (name !== null && !matters(name)) return
    clearTimeout(timer)
    timer = setTimeout(changed, limits.dev.settleMs)
  })
  watcher.on('error', failed)
  return {
    [Symbol.dispose]() {
      clearTimeout(timer)
      watcher.close()
    },
  }
}

function matters(name: string): boolean {
  const segments = name.split(/[\\/]/)
  if (segments.length === 1 && segments[0] === devVariablesFile) return true
  return !segments.some((each) => each === 'node_modules' || (each.startsWith('.') && each !== '.well-known'))
}
