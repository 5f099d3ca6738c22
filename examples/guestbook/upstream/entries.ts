/** The notes, in SQLite. */

import { mkdirSync } from 'node:fs'
import { dirname } from 'node:path'
import { DatabaseSync } from 'node:sqlite'

/** One note. */
export interface Entry {
  readonly id: number
  readonly author: string
  readonly text: string
  readonly atMs: number
}

/** All notes. */
export interface Entries extends Disposable {
  /** The newest, newest first. */
  newest(count: number): Entry[]
  add(entry: Omit<Entry, 'id'>): Entry
}

/** Older notes than this many make room for new ones. */
const maxEntries = 10_000

/** Opens the notes in a file, which is made when it is not there. */
export function openEntries(file: string): Entries {
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 })
  const database = new DatabaseSync(file)
  database.exec(`
    PRAGMA journal_mode = WAL;
    PRAGMA synchronous = FULL;
    CREATE TABLE IF NOT EXISTS entries (
      id INTEGER PRIMARY KEY AUTOINCREMENT, author TEXT NOT NULL, text TEXT NOT NULL, at_ms INTEGER NOT NULL
    ) STRICT;
  `)
  const select = database.prepare('SELECT id, author, text, at_ms AS atMs FROM entries ORDER BY id DESC LIMIT ?')
  const insert = database.prepare('INSERT INTO entries (author, text, at_ms) VALUES (?, ?, ?)')
  const trim = database.prepare('DELETE FROM entries WHERE id <= ?')
  return {
    newest: (count) => select.all(count).map(({ id, author, text, atMs }) => toEntry(id, author, text, atMs)),
    add({ author, text, atMs }) {
      const id = Number(insert.run(author, text, atMs).lastInsertRowid)
      trim.run(id - maxEntries)
      return { id, author, text, atMs }
    },
    [Symbol.dispose]: () => database.close(),
  }
}

function toEntry(id: unknown, author: unknown, text: unknown, atMs: unknown): Entry {
  return { id: Number(id), author: String(author), text: String(text), atMs: Number(atMs) }
}
