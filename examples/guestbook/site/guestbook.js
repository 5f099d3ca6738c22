// The notes on the front page: fetched once, then kept up to date over a WebSocket. The same file serves the public
// page and the signed-in one; only the latter has a form.

const list = document.querySelector('#entries')
const empty = document.querySelector('#empty')
const live = document.querySelector('#live')
const form = document.querySelector('#write')
const shownEntries = 100
const seen = new Set([...list.children].map((item) => Number(item.dataset.id)))
const timeFormat = new Intl.DateTimeFormat('en', { dateStyle: 'medium', timeStyle: 'short' })

for (const time of list.querySelectorAll('time')) time.textContent = timeFormat.format(new Date(time.dateTime))

/** Text only ever becomes text: a note cannot bring markup. */
function element(name, className, text) {
  const made = document.createElement(name)
  made.className = className
  made.textContent = text
  return made
}

function show(entry, isNew) {
  if (seen.has(entry.id)) return
  seen.add(entry.id)
  const by = element('p', 'by', '')
  const time = element('time', '', timeFormat.format(entry.atMs))
  time.dateTime = new Date(entry.atMs).toISOString()
  by.append(element('span', 'author', entry.author), time)
  const item = element('li', isNew ? 'new' : '', '')
  item.dataset.id = String(entry.id)
  item.append(by, element('p', 'said', entry.text))
  // Newest first, whatever order they arrive in.
  const older = [...list.children].find((other) => Number(other.dataset.id) < entry.id)
  list.insertBefore(item, older ?? null)
  while (list.children.length > shownEntries) list.lastElementChild.remove()
}

async function fetchEntries() {
  const answer = await fetch('/api/entries', { headers: { accept: 'application/json' } })
  if (!answer.ok) throw new Error(`the notes could not be fetched (${answer.status})`)
  const { entries } = await answer.json()
  for (const entry of entries) show(entry, false)
  empty.textContent = seen.size === 0 ? 'No notes yet. The first one is the hardest.' : ''
}

let waitMs = 1000

function connect() {
  const socket = new WebSocket(`wss://${location.host}/api/live`)
  socket.addEventListener('open', () => {
    waitMs = 1000
    live.textContent = 'live'
    live.classList.add('on')
    // What came while there was no connection.
    fetchEntries().catch((error) => {
      empty.textContent = error.message
    })
  })
  socket.addEventListener('message', ({ data }) => {
    show(JSON.parse(data), true)
    empty.textContent = ''
  })
  socket.addEventListener('close', () => {
    live.textContent = 'not connected, trying again'
    live.classList.remove('on')
    if (seen.size === 0) empty.textContent = 'The notes cannot be reached right now.'
    setTimeout(connect, waitMs * (0.5 + Math.random()))
    waitMs = Math.min(waitMs * 2, 30_000)
  })
}

connect()

form?.addEventListener('submit', async (event) => {
  event.preventDefault()
  const { text } = form.elements
  const button = form.querySelector('button')
  const status = form.querySelector('[role=status]')
  const tell = (message, isBad) => {
    status.textContent = message
    status.classList.toggle('bad', isBad)
  }
  button.disabled = true
  try {
    const answer = await fetch('/api/entries', {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ text: text.value }),
    })
    const { entry, error } = await answer.json()
    if (!answer.ok) throw new Error(error ?? `the note was not taken (${answer.status})`)
    show(entry, true)
    empty.textContent = ''
    form.reset()
    tell('Thank you, your note is there.', false)
  } catch (error) {
    tell(error instanceof SyntaxError ? 'The note could not be sent. Please try again.' : error.message, true)
  } finally {
    button.disabled = false
  }
})
