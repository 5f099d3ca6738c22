/** What an engine does before it has a code: a request to a code that is nobody's, for what V8 learns from it. */

import { defaultSandboxLimits } from '../../core/sandbox-limits.ts'
import { pulled } from '../bridge.ts'
import type { CodeSource, EngineHost, EngineRequest } from '../engine.ts'

/** Room for what is sent. */
const room = 65_536

/** Touches what most codes touch. */
export const warmUpSource: CodeSource = {
  site: 'warm-up',
  version: 1,
  bundle: `var groveSite = { default: { async fetch(request) {
    const { pathname } = new URL(request.url)
    const accept = request.headers.get('accept')
    const text = await request.text()
    return Response.json({ pathname, accept, text }, { headers: { 'cache-control': 'no-store' } })
  } } }`,
  vars: {},
  wasm: [],
  assets: false,
  data: false,
  limits: defaultSandboxLimits,
}

/** Its request. */
export const warmUpRequest: EngineRequest = {
  method: 'POST',
  url: 'https://warm-up.invalid/a?b',
  headers: ['accept', '*/*', 'content-type', 'text/plain'],
  hasBody: true,
  isUpgrade: false,
  requestId: 'warm-up',
}

/** Takes everything and does nothing. */
export const nobody: EngineHost = {
  respond: () => room,
  refuse() {},
  send: () => room,
  end: () => 0,
  abort: () => 0,
  pull: () => pulled.ended,
  pullText: () => '',
  cancelBody: () => 0,
  fail: () => 0,
  done: () => 0,
  start: () => 0,
  stop: () => 0,
  log: () => 0,
  report: () => 0,
  message: () => 0,
  closeSocket: () => 0,
  breach() {},
  unfit() {},
  lost() {},
}
