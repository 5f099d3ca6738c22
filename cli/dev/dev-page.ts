/** An error as a page: what the terminal says, in the browser that ran into it. */

/** What a page tells. */
export interface DevFault {
  /** What happened: `the code cannot be bundled`. */
  readonly title: string
  /** The error, with its stack. */
  readonly text: string
  /** The lines of the source. */
  readonly frame?: string | undefined
  /** What to do next. */
  readonly hint: string
}

const style = `
:root { color-scheme: light dark }
body { margin: 0 auto; max-width: 60rem; padding: 2rem 1.25rem; font: 1rem/1.5 system-ui, sans-serif;
  background: Canvas; color: CanvasText }
h1 { font-size: 1.25rem; margin: 0 0 1rem; color: light-dark(#a40000, #ff8f8f) }
pre { font: .875rem/1.5 ui-monospace, monospace; padding: 1rem; margin: 0 0 1rem; overflow-x: auto; border-radius: .375rem;
  background: light-dark(#f2f2f2, #1e1e1e); tab-size: 2 }
p { opacity: .75; margin: 0 }
`.replaceAll('\n', '')

/** The page. */
export function faultPage({ title, text, frame, hint }: DevFault): string {
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escaped(title)}</title>
<style>${style}</style>
<h1>${escaped(title)}</h1>
${frame === undefined ? '' : `<pre>${escaped(frame)}</pre>\n`}<pre>${escaped(text)}</pre>
<p>${escaped(hint)}</p>
<p>This page is shown by grove dev only; visitors of a published site see the status and a request id.</p>
</html>
`
}

/** The same for programs. */
export function faultText({ title, text, frame, hint }: DevFault): string {
  return `${[title, ...(frame === undefined ? [] : [frame]), text, hint].join('\n\n')}\n`
}

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;')
}
