/** User ids: the names that people sign in with. */

/**
 * A typed name in its stored form, 1 to 64 of `a-z 0-9 . _ @ -`, or undefined when it cannot be a user id. Spaces
 * around it go and capitals become small letters: phones put them there, and `Ada` and `ada` must not be two people.
 */
export function toUserId(typed: string): string | undefined {
  const userId = typed.trim().toLowerCase()
  return /^[a-z0-9._@-]{1,64}$/.test(userId) ? userId : undefined
}
