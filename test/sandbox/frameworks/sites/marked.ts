/** A Markdown renderer: pages, and what a visitor sends. */

import { Marked } from 'marked'

const pages: Readonly<Record<string, string>> = {
  '/': '# Welcome\n\nThis is *the* **page**, with a [link](/about "About").\n',
  '/table': '| a | b |\n| --- | ---: |\n| 1 | 2 |\n',
  '/list': '1. one\n2. two\n   - [x] done\n   - [ ] open\n',
  '/code': '```ts\nconst a = 1 < 2\n```\n',
}

const marked = new Marked({ gfm: true, async: true })
marked.use({
  renderer: {
    heading({ tokens, depth }) {
      const text = this.parser.parseInline(tokens)
      return `<h${depth} id="${text.toLowerCase().replaceAll(/[^a-z]+/g, '-')}">${text}</h${depth}>\n`
    },
  },
  extensions: [
    {
      name: 'mention',
      level: 'inline',
      start: (source) => source.indexOf('@'),
      tokenizer(source) {
        const found = /^@(\w+)/.exec(source)
        return found ? { type: 'mention', raw: found[0], name: found[1] } : undefined
      },
      renderer: (token) => `<a href="/people/${token['name']}">@${token['name']}</a>`,
    },
  ],
})

export default {
  async fetch(request: Request): Promise<Response> {
    const { pathname } = new URL(request.url)
    const source = request.method === 'POST' ? await request.text() : pages[pathname]
    if (source === undefined) return new Response('no such page', { status: 404 })
    return new Response(await marked.parse(source), { headers: { 'content-type': 'text/html; charset=utf-8' } })
  },
}
