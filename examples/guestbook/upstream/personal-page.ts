/**
 * Pages for a visitor who is signed in: the site's own pages with the marked parts filled in.
 *
 * The pages that everybody sees and the personal ones come from the same files, so they cannot drift apart. A part is
 * marked with comments: `<!--visitor--> … <!--/visitor-->`.
 */

import type { Entry } from './entries.ts'

/** Whom a page is for, and what is on it. */
export interface Personal {
  /** Undefined for a visitor who is not signed in. */
  readonly userId: string | undefined
  /** Newest first. */
  readonly entries: readonly Entry[]
}

/** Longest note, in characters; the form says it and the server checks it. */
export const maxTextChars = 500

/** A page of the site, made for one visitor. Parts that the page does not have are left out. */
export function personalize(html: string, { userId, entries }: Personal): string {
  const withEntries = fillPart(html, 'entries', entriesPart(entries))
  if (userId === undefined) return withEntries
  const name = escapeHtml(userId)
  const parts = { visitor: visitorPart(name), lead: leadPart(name), write: writePart }
  return Object.entries(parts).reduce((page, [part, content]) => fillPart(page, part, content), withEntries)
}

function fillPart(html: string, part: string, content: string): string {
  const [start, end] = [`<!--${part}-->`, `<!--/${part}-->`]
  const from = html.indexOf(start)
  const to = html.indexOf(end, from)
  return from < 0 || to < 0 ? html : html.slice(0, from) + content + html.slice(to + end.length)
}

function visitorPart(name: string): string {
  return `<form class="visitor" method="post" action="/.grove/login-password/sign-out">
<span class="visitor-name" title="${name}"><span>Signed in as </span><strong>${name}</strong></span>
<button class="button quiet" type="submit">Sign out</button>
</form>`
}

function leadPart(name: string): string {
  return `<p id="greeting">Good to see you, <strong>${name}</strong>. What would you like to leave here?</p>`
}

const writePart = `<form class="write" id="write" method="post" action="/api/entries">
<label for="text">Your note</label>
<textarea id="text" name="text" maxlength="${maxTextChars}" required></textarea>
<div class="write-foot">
<p role="status">Up to ${maxTextChars} characters. Everybody can read it.</p>
<button class="button" type="submit">Leave the note</button>
</div>
</form>`

function entriesPart(entries: readonly Entry[]): string {
  const items = entries.map(({ id, author, text, atMs }) => {
    const at = new Date(atMs).toISOString()
    return `<li data-id="${id}"><p class="by"><span class="author">${escapeHtml(author)}</span><time datetime="${at}">${at.slice(0, 10)}</time></p><p class="said">${escapeHtml(text)}</p></li>`
  })
  const empty = items.length === 0 ? 'No notes yet. The first one is the hardest.' : ''
  return `<ol id="entries" class="entries" aria-live="polite" aria-relevant="additions">${items.join('\n')}</ol>
<p id="empty" class="empty">${empty}</p>`
}

function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (char) => `&#${char.charCodeAt(0)};`)
}
