import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Browser, BrowserContext, BrowserContextOptions, Page, Response, WebSocket } from 'playwright-core'
import t, { type Test } from 'tap'
import { createAdminClient } from '../../cli/admin-client.ts'
import { layoutOf } from '../../core/layout.ts'
import { userSchema } from '../../plugins/login-password/commands.ts'
import { startExample } from '../examples/guestbook/start-example.ts'
import { startBrowser, watchFaults } from './browser.ts'

const demo = { userId: 'ada', password: 'analytical-engine' }
const longName = { userId: 'wilhelmina.featherstonehaugh', password: 'a-walk-in-the-woods' }
const phone = { deviceScaleFactor: 2, isMobile: true, hasTouch: true }

/** The longest name has the least room. */
const devices: readonly Device[] = [
  { name: 'desktop', visitor: demo, options: { viewport: { width: 1280, height: 800 } } },
  { name: 'phone', visitor: demo, options: { ...phone, viewport: { width: 390, height: 844 } } },
  { name: 'old phone', visitor: longName, options: { ...phone, viewport: { width: 320, height: 568 } } },
]

interface Device {
  readonly name: string
  readonly visitor: typeof demo
  readonly options: BrowserContextOptions
}

t.test('the demo in Chromium: read, sign in, write, see it live, sign out', { timeout: 110_000 }, async (t) => {
  // Short paths: sockets lie in the folder, and their paths may have some 100 bytes.
  const folder = await mkdtemp(join(tmpdir(), 'demo-'))
  const home = await mkdtemp(join(tmpdir(), 'demo-home-'))
  t.teardown(async () => {
    for (const path of [folder, home]) await rm(path, { recursive: true, force: true, maxRetries: 5 })
  })
  const pictures = t.testdir()
  const { origin } = await startExample(t, folder)
  using admin = createAdminClient(layoutOf(folder).controlSocket)
  await admin.plugin('login-password', 'add', longName, userSchema)
  const browser = await startBrowser(t, home, join(folder, 'certs/root.pem'))
  for (const device of devices)
    await t.test(`${device.name}, as ${device.visitor.userId}`, (t) => walk(t, { browser, origin, pictures, device }))
})

interface Walk {
  readonly browser: Browser
  readonly origin: string
  readonly pictures: string
  readonly device: Device
}

/** What a visitor of the demo does, while somebody else reads. */
async function walk(t: Test, { browser, origin, pictures, device }: Walk): Promise<void> {
  const { options, visitor } = device
  const [readers, writers] = await Promise.all([browser.newContext(options), browser.newContext(options)])
  const [reader, writer] = [await openFront(readers, origin), await openFront(writers, origin)]
  const { page, faults } = writer
  const look = (name: string, tab: Page = page) => checkLooks(t, tab, join(pictures, `${device.name} ${name}`))

  // The browser took the certificate: nobody told it to overlook a fault.
  t.match(await writer.answer.securityDetails(), { protocol: 'TLS 1.3', issuer: /^Grove Local Intermediate/ })
  t.match(await writer.answer.allHeaders(), { 'grove-version': 'guestbook@1', 'cache-control': /^public/ })
  await look('1 public')

  await page.getByRole('link', { name: 'Sign in', exact: true }).click()
  await signIn(page, { ...visitor, password: 'difference-engine' })
  t.equal(await page.locator('#problem').innerText(), 'This name and password do not match an account here.')
  await look('2 wrong password')
  t.match(faults.splice(0), [/sign-in: Failed to load resource: .* 401/], 'what a wrong password deserves')

  const [personal] = await Promise.all([nextFront(page, origin), signIn(page, visitor)])
  await liveOn(page)
  t.match(await page.locator('#greeting').innerText(), `Good to see you, ${visitor.userId}.`)
  const { 'grove-version': version, 'cache-control': caching } = await personal.allHeaders()
  t.match({ version, caching }, { version: undefined, caching: /private|no-store/ }, 'the page is of one visitor')
  await look('3 personal')

  const note = `Ferns by the brook,\nseen at ${options.viewport?.width} px`
  const told = [reader, writer].map(({ socket }) => nextNote(socket()))
  await page.getByLabel('Your note').fill(note)
  await page.getByRole('button', { name: 'Leave the note' }).click()
  for (const message of told) t.match(await message, { author: visitor.userId, text: note })
  for (const tab of [reader, writer]) t.strictSame(await newestNote(tab.page), [visitor.userId, note])
  await look('4 written')
  await look('5 read by others', reader.page)

  const other = await openFront(writers, origin)
  t.match(await other.page.locator('#greeting').innerText(), visitor.userId)
  const cut = other.socket().waitForEvent('close')
  const back = other.page.waitForEvent('websocket')
  const [after] = await Promise.all([nextFront(page, origin), page.getByRole('button', { name: 'Sign out' }).click()])
  await cut
  t.notOk(reader.socket().isClosed(), 'nobody else is cut off')
  t.match(await after.allHeaders(), { 'grove-version': 'guestbook@1' })
  await liveOn(page)
  t.equal(await page.locator('#greeting').count(), 0)
  t.strictSame(await newestNote(page), [visitor.userId, note])
  await look('6 public again')
  t.strictSame(await writers.cookies(), [])
  await back
  await liveOn(other.page)

  for (const tab of [reader, writer, other]) t.strictSame(tab.faults, [], 'no exception and no error on the console')
  await Promise.all([readers.close(), writers.close()])
}

/** The front page in a tab of its own. */
interface Tab {
  readonly page: Page
  readonly faults: string[]
  /** What the server answered. */
  readonly answer: Response
  /** The WebSocket that was opened last. */
  readonly socket: () => WebSocket
}

async function openFront(context: BrowserContext, origin: string): Promise<Tab> {
  const page = await context.newPage()
  const faults = watchFaults(page)
  const sockets: WebSocket[] = []
  page.on('websocket', (socket) => sockets.push(socket))
  const [answer] = await Promise.all([nextFront(page, origin), page.goto(`${origin}/`)])
  await liveOn(page)
  const socket = () => {
    const last = sockets.at(-1)
    if (!last) throw new Error('the page has opened no WebSocket')
    return last
  }
  return { page, faults, answer, socket }
}

/** The answer to the next visit of the front page in a tab. */
function nextFront(page: Page, origin: string): Promise<Response> {
  return page.waitForResponse(
    (answer) => answer.url() === `${origin}/` && answer.request().isNavigationRequest() && answer.status() < 400,
  )
}

/** Waits until a page says that its WebSocket is open and its notes are there. */
async function liveOn(page: Page): Promise<void> {
  await page.locator('#live.on').waitFor()
  await page.locator('#empty').filter({ hasText: 'The notes are being fetched.' }).waitFor({ state: 'detached' })
}

async function signIn(page: Page, { userId, password }: typeof demo): Promise<void> {
  await page.getByLabel('Name').fill(userId)
  await page.getByLabel('Password').fill(password)
  await page.getByRole('button', { name: 'Sign in' }).click()
}

async function nextNote(socket: WebSocket): Promise<unknown> {
  const { payload } = await socket.waitForEvent('framereceived')
  return JSON.parse(String(payload))
}

/** Author and text of the note at the top. */
async function newestNote(page: Page): Promise<[string, string]> {
  const note = page.locator('#entries li').first()
  return [await note.locator('.author').innerText(), await note.locator('.said').innerText()]
}

interface Box {
  readonly left: number
  readonly right: number
  readonly top: number
  readonly bottom: number
}

/** Takes pictures in light and dark, and checks what can be measured in them. */
async function checkLooks(t: Test, page: Page, file: string): Promise<void> {
  for (const colorScheme of ['dark', 'light'] as const) {
    await page.emulateMedia({ colorScheme })
    await page.screenshot({ path: `${file} ${colorScheme}.png`, fullPage: true, animations: 'disabled' })
  }
  const width = page.viewportSize()?.width ?? 0
  t.equal(await page.evaluate('document.documentElement.scrollWidth'), width, 'nothing has to be scrolled sideways')
  const words = await boxesOf(
    page,
    'h1, h2, p, label, strong, a:not(.skip), button, input:not([type=hidden]), textarea',
  )
  t.strictSame(
    words.filter(({ left, right }) => left < 0 || right > width),
    [],
    'no words run over the edge',
  )
  const bar = await boxesOf(page, '.top .home, .top nav > a, .top .visitor > *')
  const lowestTop = Math.max(...bar.map(({ top }) => top))
  const highestBottom = Math.min(...bar.map(({ bottom }) => bottom))
  t.ok(bar.length === 0 || lowestTop < highestBottom, 'the bar at the top is one line')
  t.ok(
    bar.every(({ left }, i) => left >= (bar[i - 1]?.right ?? 0)),
    'nothing in it covers anything else',
  )
  const [sun] = await boxesOf(page, '.hero .sun')
  const greetings = await boxesOf(page, '.hero-text p')
  t.ok(
    greetings.every(({ bottom }) => bottom <= (sun?.top ?? 0)),
    'the sun is below the words',
  )
}

/** Where things are that are not hidden from the eye. Evaluated as text: the types of a browser are not among ours. */
function boxesOf(page: Page, selector: string): Promise<Box[]> {
  return page.evaluate(`[...document.querySelectorAll(${JSON.stringify(selector)})]
    .filter((item) => getComputedStyle(item).clipPath === 'none' && !item.closest('.visitor-name strong'))
    .map((item) => item.getBoundingClientRect().toJSON())`)
}
