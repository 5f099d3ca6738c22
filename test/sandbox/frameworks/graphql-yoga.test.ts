import t from 'tap'
import { getHeader } from '../../../core/headers.ts'
import { startFramework } from './fixtures/framework.ts'

t.test('GraphQL Yoga runs unchanged from npm', async (t) => {
  const { get, post, ask } = await startFramework(t, 'graphql-yoga.ts')
  const run = async (query: string, variables?: object) => {
    const { status, body } = await post('/graphql', { query, variables })
    return { status, ...JSON.parse(body) }
  }

  await t.test('queries, variables, and a query in the URL', async (t) => {
    t.same(await run('{ mode books { id title pages } }'), {
      status: 200,
      data: { mode: 'test', books: [{ id: '1', title: 'Sand', pages: [1, 2] }] },
    })
    const query = 'query ($id: ID!, $at: Int) { book(id: $id) { title pages(at: $at) } }'
    t.same(await run(query, { id: '1', at: 40 }), {
      status: 200,
      data: { book: { title: 'Sand', pages: [40, 41] } },
    })
    t.match(
      (await get(`/graphql?query=${encodeURIComponent('{ books { title } }')}`)).body,
      '{"data":{"books":[{"title":"Sand"}]}}',
    )
    const types = await run('{ __schema { types { name } } }')
    t.ok(types.data.__schema.types.some(({ name }: { readonly name: string }) => name === 'Book'))
  })

  await t.test('mutations', async (t) => {
    t.same((await run('mutation { add(title: "Water") { id } }')).data, { add: { id: '2' } })
    t.same((await run('{ book(id: 2) { title } }')).data, { book: { title: 'Water' } })
    t.match(await ask('GET', `/graphql?query=${encodeURIComponent('mutation { add(title: "x") { id } }')}`), {
      status: 405,
    })
  })

  await t.test('errors: of the query, of a resolver, and one that is masked', async (t) => {
    t.match(await run('{ none }'), { errors: [{ message: /Cannot query field "none"/ }] })
    t.match(await run('{ mode'), { errors: [{ message: /Syntax Error/ }] })
    t.match(await run('{ secret }'), { data: { secret: null }, errors: [{ message: 'not for you' }] })
    const broken = await run('{ broken mode }')
    t.match(broken, { data: { broken: null, mode: 'test' }, errors: [{ message: 'Unexpected error.' }] })
    t.notMatch(JSON.stringify(broken), /a detail/)
    t.match(await ask('POST', '/graphql', { headers: ['content-type', 'application/json'], body: '{' }), {
      status: 400,
    })
  })

  await t.test('a subscription by Server-Sent Events', async (t) => {
    const seen = await ask('POST', '/graphql', {
      headers: ['content-type', 'application/json', 'accept', 'text/event-stream'],
      body: JSON.stringify({ query: 'subscription { countdown(from: 3) }' }),
    })
    t.match(getHeader(seen.headers, 'content-type'), 'text/event-stream')
    t.same(
      [...seen.body.matchAll(/"countdown":(\d)/g)].map(([, left]) => left),
      ['3', '2', '1'],
    )
    t.match(seen.body, /event: complete/)
  })
})
