/** What an operator can do about an error of the disk, whoever meets it. */

const full = 'free some space on the disk of the data folder'
const readOnly = 'the file system is read-only: make it writable, or choose another folder with --data'
const notOurs = 'let the user who runs grove own the data folder and everything in it'
const tooMany = 'let grove open more files (ulimit -n, or LimitNOFILE= of a systemd unit) and start it again'
const wrongKind = 'a file stands where a folder is needed, or the other way round: choose another folder with --data'
const failing = 'the disk fails: look into the log of the system'

/** Keyed by the system's name of the error. */
const byCode: Readonly<Record<string, string>> = {
  EACCES: notOurs,
  EDQUOT: full,
  EEXIST: wrongKind,
  EIO: failing,
  EISDIR: wrongKind,
  EMFILE: tooMany,
  ENFILE: tooMany,
  ENOSPC: full,
  ENOTDIR: wrongKind,
  EPERM: notOurs,
  EROFS: readOnly,
}

/** SQLite's errors have a number and a text (sqlite.org/rescode.html). Keyed by the primary result code. */
const bySqliteCode: Readonly<Record<number, string>> = {
  3: notOurs,
  8: readOnly,
  10: failing,
  11: 'the store is damaged: restore the data folder from a backup',
  13: full,
  14: notOurs,
}

/** System calls on files. Those on sockets and processes fail with the same names and other meanings. */
const otherCalls = /^(connect|listen|bind|accept|getaddrinfo|spawn|kill|send)/

/** What to do about an error of the file system or of SQLite; undefined for any other. */
export function diskHint(thrown: unknown): string | undefined {
  if (!(thrown instanceof Error)) return undefined
  const { code, errcode, syscall } = thrown as { code?: unknown; errcode?: unknown; syscall?: unknown }
  if (typeof errcode === 'number') return bySqliteCode[errcode & 0xff]
  if (typeof code !== 'string' || typeof syscall !== 'string' || otherCalls.test(syscall)) return undefined
  return byCode[code]
}
