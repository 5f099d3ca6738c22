import t from 'tap'
import type { Exchange } from '../../core/exchange.ts'
import { redirectToHttps } from '../../proxy/redirect.ts'

t.test('a redirect keeps target and method, and names the port unless it is 443', (t) => {
  const answers: unknown[][] = []
  const exchange = {
    authority: 'blog.localhost',
    target: '/a?b',
    respond: (...answer: unknown[]) => void answers.push(answer),
  } as unknown as Exchange
  redirectToHttps(exchange, 443)
  redirectToHttps(exchange, 8443)
  t.match(answers, [
    [308, ['location', 'https://blog.localhost/a?b']],
    [308, ['location', 'https://blog.localhost:8443/a?b']],
  ])
  t.end()
})
