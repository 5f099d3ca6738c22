import { marked } from 'marked'
import t from 'tap'
import { startFramework } from './fixtures/framework.ts'

t.test('marked runs unchanged from npm', async (t) => {
  const { get, ask } = await startFramework(t, 'marked.ts')
  const render = async (body: string) => (await ask('POST', '/', { body })).body

  await t.test('pages, with a renderer of the site', async (t) => {
    t.equal(
      (await get('/')).body,
      '<h1 id="welcome">Welcome</h1>\n<p>This is <em>the</em> <strong>page</strong>, with a <a href="/about" title="About">link</a>.</p>\n',
    )
    t.match((await get('/table')).body, '<td align="right">2</td>')
    t.match((await get('/list')).body, /<input checked="" disabled="" type="checkbox"> done/)
    t.match((await get('/code')).body, '<code class="language-ts">const a = 1 &lt; 2\n</code>')
    t.match(await get('/none'), { status: 404 })
  })

  await t.test('what is sent, with an extension of the site', async (t) => {
    t.equal(await render('hello @ann'), '<p>hello <a href="/people/ann">@ann</a></p>\n')
    t.equal(
      await render('~~a~~ https://a.example'),
      '<p><del>a</del> <a href="https://a.example">https://a.example</a></p>\n',
    )
  })

  await t.test('a long text comes out as Node renders it', async (t) => {
    const text = `${'A *paragraph* with `code`, ü and 漢字.\n\n- item\n- [x](y)\n\n> quote\n\n'.repeat(100)}`
    t.equal(await render(text), marked.parse(text))
  })
})
