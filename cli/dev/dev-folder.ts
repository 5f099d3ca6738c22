/** Files of a site's folder as they are now: for its code, and for visitors as a published version would have them. */

import { createHash } from 'node:crypto'
import { lstat, readFile, realpath } from 'node:fs/promises'
import { join, sep } from 'node:path'
import { compileFile, isServed } from '../../control/compile.ts'
import { GroveError } from '../../core/errors.ts'
import { limits } from '../../core/limits.ts'
import { refusedPathReason } from '../../core/site-path.ts'

/** A folder that is served. */
export interface DevFolder {
  /** Absolute, without symbolic links. */
  readonly root: string
  has(path: string): Promise<boolean>
  /** The content of a file that a publish would take; undefined where there is none. */
  read(path: string): Promise<Buffer | undefined>
}

/** An answer from files. */
export interface FileAnswer {
  readonly status: number
  readonly headers: string[]
  readonly body?: Buffer
}

const indexName = 'index.html'
const notFoundName = '404.html'

/** Opens a folder. Rejects with `ERR_NOT_FOUND` when there is none. */
export async function openDevFolder(folder: string): Promise<DevFolder> {
  const root = await realpath(folder).catch(() => undefined)
  if (root === undefined || !(await lstat(root)).isDirectory())
    throw new GroveError('ERR_NOT_FOUND', `${folder} is not a folder`, {
      hint: 'name the folder that holds the files of the site',
    })
  const find = async (path: string): Promise<string | undefined> => {
    if (refusedPathReason(path) !== undefined || path.split('/').some(isLeftOut)) return undefined
    try {
      // A link that leads out of the folder would be refused at publish.
      const file = await realpath(join(root, path))
      if (!file.startsWith(root + sep)) return undefined
      const { size, isFile } = await lstat(file).then((stats) => ({ size: stats.size, isFile: stats.isFile() }))
      return isFile && size <= limits.tree.fileBytes ? file : undefined
    } catch {
      return undefined
    }
  }
  return {
    root,
    has: async (path) => (await find(path)) !== undefined,
    async read(path) {
      const file = await find(path)
      return file === undefined ? undefined : readFile(file).catch(() => undefined)
    },
  }
}

/** Names that a publish leaves out. */
function isLeftOut(name: string): boolean {
  return name === 'node_modules' || (name.startsWith('.') && name !== '.well-known')
}

/** What a visitor asks files for. */
export interface FileQuestion {
  /** Decoded, starts with `/`. */
  readonly path: string
  /** With its `?`, or empty. */
  readonly query: string
  readonly ifNoneMatch: string | undefined
}

/** Answers from the files of a site, by the rules of a published version; `hidden` are the sources of its code. */
export class DevFiles {
  readonly #folder: DevFolder
  readonly #site: string
  readonly #hidden: () => ReadonlySet<string>

  constructor(folder: DevFolder, site: string, hidden: () => ReadonlySet<string>) {
    this.#folder = folder
    this.#site = site
    this.#hidden = hidden
  }

  /** The file at a path, the redirect to a folder's page, or undefined. */
  async answer({ path, query, ifNoneMatch }: FileQuestion): Promise<FileAnswer | undefined> {
    const isFolder = path.endsWith('/')
    const name = path.slice(1) + (isFolder ? indexName : '')
    const content = await this.#read(name)
    if (content) return this.#answerWith(name, content, 200, ifNoneMatch)
    if (isFolder || !(await this.#read(`${name}/${indexName}`))) return undefined
    const location = `${path.split('/').map(encodeURIComponent).join('/')}/${query}`
    return { status: 308, headers: ['location', location] }
  }

  /** The page for what is not there: the nearest `404.html`, or undefined. */
  async notFound(path: string): Promise<FileAnswer | undefined> {
    const folders = path.slice(1).split('/').slice(0, -1).slice(0, limits.sandboxControl.folders)
    for (let depth = folders.length; depth >= 0; depth--) {
      const name = [...folders.slice(0, depth), notFoundName].join('/')
      const content = await this.#read(name)
      if (content) return this.#answerWith(name, content, 404, undefined)
    }
    return undefined
  }

  async #read(path: string): Promise<Buffer | undefined> {
    return isServed(path) && !this.#hidden().has(path) ? this.#folder.read(path) : undefined
  }

  #answerWith(path: string, body: Buffer, status: number, ifNoneMatch: string | undefined): FileAnswer {
    const digest = createHash('sha256').update(body).digest()
    const file = { path, hash: digest.toString('hex'), bytes: body.length }
    const site = { name: this.#site, authorities: [] }
    const { headers, type } = compileFile(file, { site, hasUpstream: false, plugins: [] })
    const etag = `"${digest.toString('base64url')}"`
    if (ifNoneMatch?.split(',').some((tag) => tag.trim().replace(/^W\//, '') === etag))
      return { status: 304, headers: ['etag', etag, ...headers] }
    const own = status === 200 ? ['etag', etag] : []
    return { status, headers: [...own, ...headers, 'content-type', type], body }
  }
}
