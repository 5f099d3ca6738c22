/** Maps that keep what was set last, up to a bound: the order of a map is the order in which its keys were set. */

/** Sets a key as the newest of a map, and forgets the oldest keys beyond `most`. */
export function setNewest<K, V>(map: Map<K, V>, key: K, value: V, most: number): void {
  map.delete(key)
  map.set(key, value)
  for (const oldest of map.keys()) {
    if (map.size <= most) return
    map.delete(oldest)
  }
}
