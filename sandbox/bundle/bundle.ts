/** What site code is bundled from, and into. Types only. */

/** Reads a file of an upload by its path from the root, `/` between segments; undefined where there is none. */
export type ReadTree = (path: string) => Promise<Uint8Array | undefined>

/** How site code is bundled. */
export interface BundleOptions {
  /** The module whose default export is the site's code: `_worker.js`, `src/index.ts`. */
  readonly entry: string
  /** What libraries find as `process.env.NODE_ENV`. @default 'production' */
  readonly mode?: 'production' | 'development' | undefined
  /** Most bytes of the bundle. */
  readonly bundleBytes: number
}

/** Site code as it is stored and loaded. */
export interface Bundle {
  /**
   * A script that leaves its exports in the variable `siteName` of bridge.ts, and gets modules of WebAssembly from the
   * function `wasmName` of it.
   */
  readonly code: string
  /** A source map (version 3) of the script, without the sources themselves; paths in it are those of the upload. */
  readonly map: string
  /** Modules of WebAssembly that the code imports, by name: the path, or for a long one its hash; not checked yet. Sorted. */
  readonly wasm: readonly { readonly name: string; readonly bytes: Uint8Array }[]
  /** Paths of the files that came into it, sorted. */
  readonly inputs: readonly string[]
  /** What the author may want to know, each with its place. */
  readonly warnings: readonly string[]
}
