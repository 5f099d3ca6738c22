/**
 * What a token may ask over the control socket: one table, route by route.
 *
 * A request without a token is the operator's, as control/admin.ts says. One with a token may do what its line here
 * asks of it, checked with the store before the route runs; a route that has no line is the operator's alone, so a new
 * one is closed until somebody thought of it. What a route then writes, it writes with the token's handle, so the right
 * is checked again in the transaction that needs it: a revocation in between wins.
 */

import { uploadRequestSchema } from '../core/admin-api.ts'
import { GroveError, isGroveError } from '../core/errors.ts'
import { siteGrantPath, siteOwner } from '../core/grant-api.ts'
import { toSiteName } from '../core/names.ts'
import type { Claim, DenialReason, Handle, Right, Store } from '../store/store.ts'
import type { AdminRequest, AdminRoute } from './admin.ts'
import { contentIn, requireSize } from './content-request.ts'

/** What a route asks of a token. */
type Need =
  | { readonly kind: 'right'; readonly right: Right; readonly path: string }
  /** A content comes in: counted against the quotas before it is taken. */
  | { readonly kind: 'content'; readonly path: string; readonly claim: Claim }
  /** The store decides by the token itself, which the route hands on. */
  | { readonly kind: 'own' }

type NeedOf = (request: AdminRequest) => Need | Promise<Need>

const own: NeedOf = () => ({ kind: 'own' })

/** Keyed by method and pattern. */
const needs: Readonly<Record<string, NeedOf>> = {
  'GET /grants': own,
  'POST /grants': own,
  'POST /grants/show': own,
  'POST /grants/revoke': own,
  'GET /sites': () => ({ kind: 'right', right: 'read', path: `/sites/${siteOwner}` }),
  'GET /sites/:name': onSite('read'),
  'GET /sites/:name/diff': onSite('read'),
  'GET /sites/:name/domains': onSite('read'),
  'GET /sites/:name/live': onSite('read'),
  'GET /sites/:name/log': onSite('read'),
  'GET /sites/:name/output': onSite('read'),
  'GET /sites/:name/pins': onSite('read'),
  'GET /sites/:name/secrets': onSite('read'),
  'GET /sites/:name/versions/:version': onSite('read'),
  'GET /sites/:name/versions/:version/files': onSite('read'),
  'DELETE /sites/:name/domains/:domain': onSite('write'),
  'DELETE /sites/:name/pins/:pin': onSite('write'),
  'DELETE /sites/:name/secrets/:secret': onSite('write'),
  'PUT /sites/:name/pins/:pin': onSite('write'),
  'PUT /sites/:name/secrets/:secret': onSite('write'),
  'POST /sites/:name/domains': onSite('write'),
  'POST /sites/:name/domains/:domain/verify': onSite('write'),
  'POST /sites/:name/prune': onSite('write'),
  'POST /sites/:name/release': onSite('write'),
  'POST /sites/:name/rollback': onSite('write'),
  'POST /sites/:name/versions': onSite('write'),
  'POST /sites/:name/uploads': async (request) => {
    const { hash, bytes } = await request.json(uploadRequestSchema)
    requireSize(bytes)
    return { kind: 'content', path: pathOf(request.params['name']), claim: { hash, bytes } }
  },
  'PUT /blobs/:hash': (request) => {
    const { hash, bytes } = contentIn(request)
    const site = request.query.get('site')
    if (site === null)
      throw new GroveError('ERR_BAD_REQUEST', 'under a token a content is sent for a site: ?site=<name>')
    if (bytes === undefined)
      throw new GroveError('ERR_BAD_REQUEST', 'under a token the length of a content is told first: content-length')
    return { kind: 'content', path: pathOf(site), claim: { hash, bytes } }
  },
}

/** The routes, each closed to tokens that do not allow it. Throws `ERR_DENIED` with the reason and what to do. */
export function authorized(
  routes: readonly AdminRoute[],
  store: Pick<Store, 'check' | 'charge' | 'whoami'>,
): AdminRoute[] {
  return routes.map((route) => ({
    ...route,
    async run(request) {
      const { handle } = request
      if (handle === undefined) return route.run(request)
      try {
        await requireNeed(route, request, handle, store)
        return await route.run(request)
      } catch (thrown) {
        throw withHint(thrown)
      }
    },
  }))
}

async function requireNeed(
  { method, pattern }: AdminRoute,
  request: AdminRequest,
  handle: Handle,
  store: Pick<Store, 'check' | 'charge' | 'whoami'>,
): Promise<void> {
  const needOf = needs[`${method} ${pattern}`]
  if (!needOf) {
    await store.whoami(handle) // What is wrong with the token itself is told first.
    throw new GroveError('ERR_DENIED', `${method} ${pattern} is for the operator, not for tokens`, {
      details: { reason: 'rights' },
      hint: 'leave the token out (and unset GROVE_TOKEN) to do it as the operator of this machine',
    })
  }
  const need = await needOf(request)
  if (need.kind === 'right') await store.check(handle, need.right, need.path)
  if (need.kind === 'content') await store.charge(handle, need.path, need.claim)
}

function onSite(right: Right): NeedOf {
  return ({ params }) => ({ kind: 'right', right, path: pathOf(params['name']) })
}

function pathOf(name: string | undefined): string {
  return siteGrantPath(toSiteName(name ?? ''))
}

const askAgain = 'ask whoever gave you the token for a new one (grove grant create)'
const seeToken = 'grove grant show tells what the token allows; ask whoever gave it to you for another one'

/** What the holder of a token can do about a denial, keyed by its reason. */
const hints: Readonly<Record<DenialReason, string>> = {
  handle:
    'copy the whole token, from grove_ on; if it is whole, it is of another Grove or its key is gone: ask for a new one',
  revoked: askAgain,
  expired: askAgain,
  rights: seeToken,
  path: seeToken,
  quota: 'the token is used up; ask whoever gave it to you for one with a larger quota',
  content: 'the token is narrowed to one content, which it can upload and nothing else',
}

function withHint(thrown: unknown): unknown {
  if (!isGroveError(thrown, 'ERR_DENIED') || thrown.hint !== undefined) return thrown
  const hint = hints[thrown.details?.['reason'] as DenialReason]
  if (hint === undefined) return thrown
  return new GroveError(thrown.code, thrown.message, {
    cause: thrown,
    hint,
    ...(thrown.details && { details: thrown.details }),
  })
}
