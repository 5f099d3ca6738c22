/**
 * The plugin's pages: whole documents made on the server, no script, no file from elsewhere.
 *
 * The Content-Security-Policy allows this one style sheet by its hash, forms to this origin, and nothing else; no page
 * can be framed, so nobody can be led to type a password into a frame on another site.
 */

import { createHash } from 'node:crypto'
import { pageStyle } from './page-style.ts'

const styleHash = createHash('sha256').update(pageStyle).digest('base64')

/** The drawing at the top, and the icon of the tab. */
const leaf = 'M24 5c9 5 14 12 14 19 0 8-6 13-14 13s-14-5-14-13c0-7 5-14 14-19z'
const vein = 'M24 16v27M24 25l6-5M24 31l-6-5'
const icon = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="6 2 36 42"><path fill="#2b6a45" d="${leaf}"/></svg>`

const securityHeaders: Readonly<Record<string, string>> = {
  'content-type': 'text/html; charset=utf-8',
  'cache-control': 'no-store',
  'content-security-policy': [
    "default-src 'none'",
    `style-src 'sha256-${styleHash}'`,
    'img-src data:',
    "form-action 'self'",
    "frame-ancestors 'none'",
    "base-uri 'none'",
  ].join('; '),
  // Not `no-referrer`: with that, browsers send `Origin: null` on a form post, and the host would refuse it.
  'referrer-policy': 'same-origin',
  'x-content-type-options': 'nosniff',
  'cross-origin-opener-policy': 'same-origin',
}

/** What the sign-in page shows. */
export interface SignInPage {
  readonly siteName: string
  /** Where the visitor goes afterwards; already checked. */
  readonly next: string
  /** What was typed as the name, at a second try. */
  readonly username?: string
  /** One sentence about what went wrong. */
  readonly problem?: string
}

/** The sign-in page. */
export function signInPage({ siteName, next, username = '', problem }: SignInPage): string {
  // The field that is to be filled next has the focus. At a second try that is the password.
  const [focusName, focusPassword] = username === '' ? [' autofocus', ''] : ['', ' autofocus']
  const invalid = problem === undefined ? '' : ' aria-invalid="true" aria-describedby="problem"'
  return layout(
    `Sign in to ${siteName}`,
    `<h1>Sign in</h1>
<p class="lead">to <strong>${escapeHtml(siteName)}</strong></p>
<div aria-live="assertive" role="alert">${problem === undefined ? '' : `<p class="problem" id="problem">${escapeHtml(problem)}</p>`}</div>
<form method="post" action="/.grove/login-password/sign-in">
<input type="hidden" name="next" value="${escapeHtml(next)}">
<label for="username">Name</label>
<input id="username" name="username" type="text" value="${escapeHtml(username)}" autocomplete="username" autocapitalize="none" autocorrect="off" spellcheck="false" maxlength="64" required${focusName}${invalid}>
<label for="password">Password</label>
<input id="password" name="password" type="password" autocomplete="current-password" maxlength="256" required${focusPassword}${invalid}>
<button type="submit">Sign in</button>
</form>
<p class="aside"><a href="/">Back without signing in</a></p>`,
  )
}

/** What a visitor sees who is signed in already: who they are, and the way out. */
export function signedInPage({ siteName, userId }: { siteName: string; userId: string }): string {
  return layout(
    `Signed in to ${siteName}`,
    `<h1>Hello, ${escapeHtml(userId)}</h1>
<p class="lead">You are signed in to <strong>${escapeHtml(siteName)}</strong>.</p>
<p><a class="button" href="/">Go to the site</a></p>
<form method="post" action="/.grove/login-password/sign-out">
<button class="quiet" type="submit">Sign out</button>
</form>`,
  )
}

/** An answer with a page and the headers that every page has. */
export function pageResponse(status: number, html: string, headers: Readonly<Record<string, string>> = {}): Response {
  return new Response(html, { status, headers: { ...securityHeaders, ...headers } })
}

function layout(title: string, main: string): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="robots" content="noindex">
<title>${escapeHtml(title)}</title>
<link rel="icon" href="data:image/svg+xml,${encodeURIComponent(icon)}">
<style>${pageStyle}</style>
</head>
<body>
<main>
<svg class="mark" viewBox="0 0 48 48" width="44" height="44" aria-hidden="true" focusable="false"><path class="leaf" d="${leaf}"/><path class="vein" d="${vein}" fill="none" stroke-width="2.5" stroke-linecap="round"/></svg>
${main}
</main>
</body>
</html>
`
}

function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (char) => `&#${char.charCodeAt(0)};`)
}
