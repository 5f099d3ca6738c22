import t from 'tap'
import { deliveries } from '../../../sandbox/bridge.ts'
import { Blob } from '../../../sandbox/guest/blob.ts'
import { type FormData, isFormData } from '../../../sandbox/guest/form-data.ts'
import type { Request } from '../../../sandbox/guest/request.ts'
import { Response } from '../../../sandbox/guest/response.ts'
import { streamClasses } from '../../../sandbox/guest/streams.ts'
import { createRequestHost, turn, until } from './fixtures/request-host.ts'

interface Body {
  text(): Promise<string>
  json(): Promise<unknown>
  bytes(): Promise<Uint8Array>
  arrayBuffer(): Promise<ArrayBuffer>
  blob(): Promise<Blob>
  formData(): Promise<FormData>
  readonly body: InstanceType<typeof streamClasses.ReadableStream> | null
  readonly bodyUsed: boolean
}
const { ReadableStream } = streamClasses
const host = createRequestHost({ limits: { bufferedBodyBytes: 300_000 } })
const make = (body: unknown, headers?: Record<string, string>) =>
  new Response(body, headers && { headers }) as unknown as Body & Response
const streamOf = (...pieces: unknown[]) =>
  new ReadableStream({
    start(controller) {
      for (const piece of pieces) controller.enqueue(piece)
      controller.close()
    },
  })
const bytes = (...values: number[]) => new Uint8Array(values)

/** Each kind of source with the same content. */
const sources: [string, () => unknown][] = [
  ['a string', () => '{"a":"\u00e9"}'],
  ['bytes', () => Buffer.from('{"a":"\u00e9"}')],
  ['a blob', () => new Blob(['{"a":', '"\u00e9"}'])],
  ['a stream', () => streamOf(bytes(0x7b), Buffer.from('"a":"\u00e9"}'))],
]

t.test('every way to read gives the same, whatever the body is made of', async (t) => {
  for (const [name, source] of sources) {
    t.equal(await make(source()).text(), '{"a":"\u00e9"}', name)
    t.same(await make(source()).json(), { a: '\u00e9' }, name)
    t.same(Buffer.from(await make(source()).bytes()).toString(), '{"a":"\u00e9"}', name)
    const buffer = await make(source()).arrayBuffer()
    t.equal(buffer instanceof ArrayBuffer, true)
    t.equal(buffer.byteLength, 10, name)
    const blob = await make(source(), { 'content-type': 'Text/X; a="b"' }).blob()
    t.same([blob.size, blob.type], [10, 'text/x;a=b'], name)
    const pieces: Uint8Array[] = []
    for await (const piece of make(source()).body ?? []) pieces.push(piece as Uint8Array)
    t.equal(Buffer.concat(pieces).toString(), '{"a":"\u00e9"}', name)
  }
})

t.test('a body is read once', async (t) => {
  for (const [name, source] of sources) {
    const body = make(source())
    t.equal(body.bodyUsed, false)
    const reading = body.text()
    t.equal(body.bodyUsed, true, name)
    await t.rejects(body.json(), TypeError, name)
    await reading
    t.equal(body.body?.locked, true, 'what was read shows a stream that is locked')
    t.throws(() => body.body?.getReader(), TypeError)
  }
})

t.test('no body at all is empty, and never used', async (t) => {
  const body = make(null)
  t.same([await body.text(), (await body.bytes()).length, (await body.blob()).size, body.bodyUsed], ['', 0, 0, false])
  await t.rejects(body.json(), SyntaxError)
  await t.rejects(body.formData(), TypeError)
  t.equal(body.body, null)
})

t.test('an empty body is not the same as none', async (t) => {
  const body = make('')
  t.not(body.body, null)
  t.equal(await body.text(), '')
  t.equal(body.bodyUsed, true)
})

t.test('text is UTF-8 whatever the type says, without its mark', async (t) => {
  const cases: [unknown, string][] = [
    [bytes(0xef, 0xbb, 0xbf, 0x61), 'a'],
    ['\ufeffa', 'a'],
    ['\ufeff\ufeffa', '\ufeffa'],
    [bytes(0xff, 0x61), '\ufffda'],
    [bytes(0xe2, 0x82), '\ufffd'],
    [streamOf(bytes(0xe2), bytes(0x82, 0xac)), '\u20ac'],
    ['a\ud800b', 'a\ufffdb'],
  ]
  for (const [body, expected] of cases)
    t.equal(await make(body, { 'content-type': 'text/plain;charset=latin1' }).text(), expected)
  t.same(await make('\ufeff{"a":1}').json(), { a: 1 })
  await t.rejects(make('{').json(), SyntaxError)
})

t.test('forms of both kinds', async (t) => {
  const form = await make('a=1&b=%C3%A9&a=2', {
    'content-type': 'application/x-www-form-urlencoded;charset=UTF-8',
  }).formData()
  t.equal(isFormData(form), true)
  t.same(
    [...(form as unknown as Iterable<unknown>)],
    [
      ['a', '1'],
      ['b', '\u00e9'],
      ['a', '2'],
    ],
  )
  const text =
    '--x\r\ncontent-disposition: form-data; name="f"; filename="n.txt"\r\ncontent-type: text/plain\r\n\r\nhi\r\n--x--\r\n'
  const file = (await make(text, { 'content-type': 'multipart/form-data; boundary=x' }).formData()).get('f') as Blob & {
    name: string
  }
  t.same([file.name, file.type, await file.text()], ['n.txt', 'text/plain', 'hi'])
  const again = make(await make(text, { 'content-type': 'multipart/form-data; boundary=x' }).formData())
  t.same(((await again.formData()).get('f') as Blob & { name: string }).name, 'n.txt')
  for (const type of ['text/plain', 'multipart/form-data', 'nonsense'])
    await t.rejects(make(text, { 'content-type': type }).formData(), TypeError, type)
  await t.rejects(make('--x\r\nbroken', { 'content-type': 'multipart/form-data; boundary=x' }).formData(), TypeError)
})

t.test('a stream that gives something else than bytes is a TypeError, and is cancelled', async (t) => {
  for (const piece of ['text', 1, null, {}, new ArrayBuffer(1), new Uint16Array(1)]) {
    let reason: unknown
    const stream = new ReadableStream({
      start: (controller) => controller.enqueue(piece),
      cancel: (given) => {
        reason = given
      },
    })
    await t.rejects(make(stream).text(), TypeError)
    t.type(reason, TypeError)
  }
})

t.test('a stream that breaks rejects with its own error', async (t) => {
  const stream = new ReadableStream({ pull: (controller) => controller.error(new RangeError('mine')) })
  await t.rejects(make(stream).bytes(), { message: 'mine' })
})

t.test('more than may be buffered is refused, and the source is told', async (t) => {
  let cancelled = false
  const endless = new ReadableStream({
    pull: (controller) => controller.enqueue(new Uint8Array(65_536)),
    cancel: () => {
      cancelled = true
    },
  })
  await t.rejects(make(endless).text(), { name: 'QuotaExceededError' })
  t.equal(cancelled, true)
})

t.test('clones of all kinds are read apart, also when one is read late', async (t) => {
  for (const [name, source] of sources) {
    const first = make(source())
    const second = first.clone() as unknown as Body
    const third = first.clone() as unknown as Body
    t.equal(await second.text(), '{"a":"\u00e9"}', name)
    t.equal(first.bodyUsed, false, name)
    t.same([await first.text(), await third.text()], ['{"a":"\u00e9"}', '{"a":"\u00e9"}'], name)
  }
  const body = make('x')
  t.equal(body.body, body.body)
  body.body?.getReader()
  t.throws(() => body.clone(), TypeError)
})

t.test('what one reader does with its bytes does not show in a clone', async (t) => {
  const first = make(bytes(1, 2))
  const second = first.clone() as unknown as Body
  const got = await first.bytes()
  got[0] = 9
  t.same([...(await second.bytes())], [1, 2])
})

/** A handler that works on the body of a request, and the visit that runs it. */
function visitWith(work: (request: Body & Request) => Promise<string>, asked: Parameters<typeof host.visit>[0]) {
  host.load({ fetch: async (request: Body & Request) => new Response(await work(request)) })
  return host.visit({ method: 'POST', ...asked })
}

t.test('the body of a visitor is read piece by piece, in every way', async (t) => {
  const body = ['{"a"', ':', '1}']
  const ways: [string, (request: Body & Request) => Promise<string>][] = [
    ['text', (request) => request.text()],
    ['json', async (request) => JSON.stringify(await request.json())],
    ['bytes', async (request) => Buffer.from(await request.bytes()).toString()],
    ['blob', async (request) => await (await request.blob()).text()],
    [
      'a reader',
      async (request) => {
        const reader = request.body?.getReader()
        let text = ''
        for (let step = await reader?.read(); step && !step.done; step = await reader?.read())
          text += Buffer.from(step.value as Uint8Array)
        return text
      },
    ],
    [
      'a reader with its own buffer',
      async (request) => {
        const reader = request.body?.getReader({ mode: 'byob' })
        let text = ''
        for (;;) {
          const step = await reader?.read(new Uint8Array(2))
          if (!step || step.done) return text
          text += Buffer.from(step.value as Uint8Array)
        }
      },
    ],
    [
      'through a transform',
      async (request) => {
        const stream = request.body?.pipeThrough(new streamClasses.TransformStream())
        return await make(stream).text()
      },
    ],
    [
      'a tee',
      async (request) => {
        const [first, second] = request.body?.tee() ?? []
        const texts = await Promise.all([make(first).text(), make(second).text()])
        t.equal(texts[0], texts[1])
        return texts[0]
      },
    ],
    [
      'a clone',
      async (request) => {
        const clone = request.clone() as unknown as Body
        t.equal(await clone.text(), '{"a":1}')
        return await request.text()
      },
    ],
  ]
  for (const [name, way] of ways) {
    const visit = visitWith(way, { body })
    await visit.over
    t.equal(visit.text(), '{"a":1}', name)
  }
})

t.test('a body is taken from the visitor only as it is read', async (t) => {
  const gate = Promise.withResolvers<void>()
  const pieces = Array.from({ length: 32 }, () => Buffer.alloc(32_768, 'x'))
  const visit = visitWith(
    async (request) => {
      const reader = request.body?.getReader()
      await reader?.read()
      await gate.promise
      let total = 1
      for (let step = await reader?.read(); step && !step.done; step = await reader?.read()) total++
      return String(total)
    },
    { body: pieces },
  )
  for (let index = 0; index < 50; index++) await turn()
  t.ok(visit.incoming.bytes <= 262_144 + 65_536, `${visit.incoming.bytes} bytes came`)
  gate.resolve()
  await visit.over
  t.equal(visit.text(), '32')
})

t.test('a body that breaks off rejects the reader', async (t) => {
  for (const way of [
    (request: Body) => request.text(),
    async (request: Body) => String((await request.body?.getReader().read())?.done),
  ]) {
    const visit = visitWith(
      async (request) => {
        await request.body
          ?.getReader()
          .read()
          .catch(() => {})
        return 'x'
      },
      { body: ['a'], bodyStaysOpen: true },
    )
    await visit.over
    let thrown: unknown
    const broken = visitWith(
      async (request) => {
        try {
          await way(request)
          await request.body?.getReader().read()
        } catch (error) {
          thrown = error
        }
        return 'x'
      },
      { body: [], bodyStaysOpen: true },
    )
    await turn()
    broken.incoming.break({ name: 'AbortError', message: 'the visitor left' })
    await broken.over
    t.match(thrown, { name: 'AbortError', message: 'the visitor left' })
  }
})

t.test('what was broken before somebody reads is told to who reads', async (t) => {
  const gate = Promise.withResolvers<void>()
  const visit = visitWith(
    async (request) => {
      await gate.promise
      return await request.text().catch((error: Error) => error.name)
    },
    { body: ['a'], bodyStaysOpen: true },
  )
  await turn()
  visit.incoming.break({ name: 'NetworkError', message: 'gone' })
  await turn()
  gate.resolve()
  await visit.over
  t.equal(visit.text(), 'NetworkError')
})

t.test('a body that is cancelled is thrown away', async (t) => {
  const visit = visitWith(
    async (request) => {
      await request.body?.cancel('enough')
      return String(request.bodyUsed)
    },
    { body: ['a', 'b'] },
  )
  await visit.over
  t.equal(visit.text(), 'true')
  t.equal(visit.incoming.isWanted, false)
})

t.test('more than may be buffered of a visitor is refused', async (t) => {
  const body = Array.from({ length: 12 }, () => Buffer.alloc(30_000))
  const visit = visitWith((request) => request.text().catch((error: Error) => error.name), { body })
  await visit.over
  t.equal(visit.text(), 'QuotaExceededError')
  t.equal(visit.incoming.isWanted, false)
})

t.test('a stream goes out as the visitor takes it, and no faster', async (t) => {
  let pulled = 0
  host.load({
    fetch: () =>
      new Response(
        new ReadableStream(
          {
            pull(controller) {
              pulled++
              controller.enqueue(new Uint8Array(1_000).fill(97))
              if (pulled === 100) controller.close()
            },
          },
          { highWaterMark: 0 },
        ),
      ),
  })
  const visit = host.visit({ window: 3_000 })
  await until(() => visit.bytes().length >= 3_000)
  for (let index = 0; index < 20; index++) await turn()
  t.equal(visit.bytes().length, 3_000)
  t.ok(pulled <= 4, `${pulled} pieces were asked for`)
  await visit.take(1_000_000)
  await visit.over
  t.equal(visit.bytes().length, 100_000)
  t.equal(visit.isEnded, true)
})

t.test('large texts and bytes go out in pieces, no character cut in two', async (t) => {
  const text = `x${'\u{1f600}'.repeat(120_000)}`
  for (const body of [text, Buffer.from(text), new Blob([text])]) {
    host.load({ fetch: () => new Response(body) })
    const visit = host.visit({ window: 300_000 })
    while (!visit.isDone) {
      await visit.take(100_000)
    }
    t.equal(visit.text(), text)
    t.ok(visit.pieces.length > 2)
  }
})

t.test('a stream that breaks breaks the answer off, and is reported', async (t) => {
  host.logged.length = 0
  host.load({
    fetch: () =>
      new Response(
        new ReadableStream({
          start: (controller) => controller.enqueue(bytes(97)),
          pull: (controller) => controller.error(new Error('midway')),
        }),
      ),
  })
  const visit = await host.answer()
  t.match(visit.aborted, { message: 'midway' })
  t.equal(visit.isEnded, false)
  t.match(host.logged, [{ message: 'midway' }])
  host.load({ fetch: () => new Response(streamOf('text')) })
  t.match((await host.answer()).aborted, { name: 'TypeError' })
})

t.test('a visitor who leaves cancels the stream, even one that is waited for', async (t) => {
  const cancelled = Promise.withResolvers<void>()
  host.load({
    fetch: () =>
      new Response(new ReadableStream({ pull: () => new Promise(() => {}), cancel: () => cancelled.resolve() })),
  })
  const visit = host.visit()
  await turn()
  await visit.deliver(deliveries.cancelled)
  await cancelled.promise
  await visit.over
  t.pass()
})

t.test('an endless stream to a visitor who takes nothing is not read on', async (t) => {
  let pulled = 0
  host.load({
    fetch: () =>
      new Response(
        new ReadableStream({
          pull: (controller) => {
            pulled++
            controller.enqueue(new Uint8Array(65_536))
          },
        }),
      ),
  })
  const visit = host.visit({ window: 0 })
  for (let index = 0; index < 50; index++) await turn()
  t.ok(pulled < 4, `${pulled}`)
  await visit.deliver(deliveries.cancelled)
  await visit.over
})

t.test('pieces larger than the bridge takes are cut, empty ones left out', async (t) => {
  host.load({ fetch: () => new Response(streamOf(new Uint8Array(0), new Uint8Array(200_000), new Uint8Array(0))) })
  const visit = await host.answer()
  t.same(
    visit.pieces.map((piece) => piece.length),
    [65_536, 65_536, 65_536, 3_392],
  )
})
