/** Real Chromium for tests, with a home of its own in which it trusts one root: TLS is checked as for anybody. */

import { createHash, X509Certificate } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { type Browser, chromium, type Page } from 'playwright-core'
import type { Test } from 'tap'
import { installInBrowsers } from '../../certs/browser-trust.ts'
import { runTool } from '../../certs/run-tool.ts'

/** `--no-sandbox`: tests may run as root. The others keep it from talking to anybody but Grove. */
const args = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
]

/** Starts Chromium with an empty folder as its home, after `grove trust`'s own steps for browsers. It ends after the test. */
export async function startBrowser(t: Test, home: string, rootFile: string): Promise<Browser> {
  const fingerprint = createHash('sha256')
    .update(new X509Certificate(await readFile(rootFile)).raw)
    .digest('hex')
  const environment = { platform: process.platform, home, isRoot: false, run: runTool }
  const changes = await installInBrowsers({ file: rootFile, fingerprint }, environment)
  t.ok(
    changes.every(({ outcome }) => outcome === 'changed'),
    changes.map(({ sentence }) => sentence).join(' '),
  )
  const browser = await chromium.launch({
    executablePath: '/usr/bin/chromium',
    args,
    env: { ...process.env, HOME: home },
    timeout: 60_000,
  })
  t.teardown(() => browser.close())
  return browser
}

/** What a page complained about: exceptions that nobody caught, and errors on the console, each with its URL. */
export function watchFaults(page: Page): string[] {
  const faults: string[] = []
  page.on('pageerror', (error) => faults.push(`exception at ${page.url()}: ${error.message}`))
  page.on('console', (message) => {
    if (message.type() === 'error' || message.type() === 'warning')
      faults.push(`${message.type()} of ${message.location().url}: ${message.text()}`)
  })
  return faults
}
