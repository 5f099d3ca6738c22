/** A real thing, some of whose calls are done otherwise. */

/** The thing with these calls in place of its own. What is read of it is read afresh at each look. */
export function instead<Thing extends object>(real: Thing, calls: Partial<Thing>): Thing {
  return new Proxy(real, {
    get(target, key) {
      if (key in calls) return Reflect.get(calls, key)
      const value: unknown = Reflect.get(target, key)
      // Some have private members, so their calls need them as `this`.
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
}
