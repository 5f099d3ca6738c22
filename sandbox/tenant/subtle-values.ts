/**
 * Arguments and results of SubtleCrypto as they cross the bridge: JSON, in which bytes are numbers of parts and keys are
 * handles. Only plain values are made of it, so nothing that the guest wrote is more than data here.
 */

/**
 * Keys that a site's code has, by handle. When there are too many, the least recently used of those that were imported is
 * forgotten, since the guest can import them again; another one only if there is none of these.
 */
export interface KeyTable {
  get(handle: number): CryptoKey | undefined
  add(key: CryptoKey, isImported?: boolean): number
  readonly size: number
}

/** Makes a table of so many keys. */
export function createKeyTable(most: number): KeyTable {
  const imported = new Map<number, CryptoKey>()
  const made = new Map<number, CryptoKey>()
  let lastHandle = 0
  return {
    get(handle) {
      const from = imported.has(handle) ? imported : made
      const key = from.get(handle)
      if (!key) return undefined
      from.delete(handle)
      from.set(handle, key)
      return key
    },
    add(key, isImported = false) {
      if (imported.size + made.size >= most) forgetOldest(imported.size > 0 ? imported : made)
      lastHandle++
      const to = isImported ? imported : made
      to.set(lastHandle, key)
      return lastHandle
    },
    get size() {
      return imported.size + made.size
    },
  }
}

function forgetOldest(keys: Map<number, CryptoKey>): void {
  const [oldest] = keys.keys()
  if (oldest !== undefined) keys.delete(oldest)
}

/** A key that the table has forgotten, or never had. */
export class UnknownKey extends Error {
  override readonly name = 'UnknownKey'
}

/** How deep arguments may be nested; those of the standard are three levels deep. */
const deepest = 8

/** Values of the bridge as SubtleCrypto takes them. Throws {@link UnknownKey}, `TypeError`. */
export function reviveValue(value: unknown, parts: readonly Uint8Array[], keys: KeyTable, depth = 0): unknown {
  if (typeof value !== 'object' || value === null) return value
  if (depth > deepest) throw new TypeError('arguments are nested too deep')
  if (Array.isArray(value)) return value.map((item) => reviveValue(item, parts, keys, depth + 1))
  if ('$bytes' in value) {
    const part = parts[Number(value.$bytes)]
    if (!part) throw new TypeError('bytes that were not sent along')
    return part
  }
  if ('$key' in value) {
    const key = keys.get(Number(value.$key))
    if (!key) throw new UnknownKey('the key is not kept any more')
    return key
  }
  // Without a prototype: a name such as `__proto__` is a name like any other.
  const revived: Record<string, unknown> = Object.create(null)
  for (const [name, item] of Object.entries(value)) revived[name] = reviveValue(item, parts, keys, depth + 1)
  return revived
}

/** A result of SubtleCrypto as it crosses the bridge; bytes are added to `parts`, keys to the table. */
export function writeValue(value: unknown, parts: Uint8Array[], keys: KeyTable, isImported = false): unknown {
  if (value instanceof ArrayBuffer) return writeBytes(new Uint8Array(value), parts)
  if (value instanceof Uint8Array) return writeBytes(value, parts)
  if (value instanceof CryptoKey) {
    const { type, extractable, algorithm, usages } = value
    return {
      $key: keys.add(value, isImported),
      type,
      extractable,
      algorithm: writeValue(algorithm, parts, keys),
      usages,
    }
  }
  if (Array.isArray(value)) return value.map((item) => writeValue(item, parts, keys))
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, writeValue(item, parts, keys)]))
}

function writeBytes(bytes: Uint8Array, parts: Uint8Array[]): unknown {
  parts.push(bytes)
  return { $bytes: parts.length - 1 }
}
