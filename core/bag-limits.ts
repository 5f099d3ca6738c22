/** The bounds of sites' bags of data. A part of the table in limits.ts. */

/** The bounds of bags. */
export const bagLimits = {
  bag: {
    /** Keys of one bag, and bytes of one key in UTF-8. */
    keys: 10_000,
    keyBytes: 512,
    valueBytes: 1_048_576,
    metadataBytes: 2_048,
    /** Of all keys, values and metadata of one bag. */
    totalBytes: 16_777_216,
    /** Changes of one bag that wait for the disk. */
    waiting: 1_024,
    /** A bag's log is written anew when it has so many entries, or bytes, more than twice what the bag holds. */
    spareEntries: 1_000,
    spareBytes: 1_048_576,
    /** What open bags hold together, beside those in use: the ones used longest ago are closed. */
    openBytes: 67_108_864,
    /** What one open bag counts beside its bytes, and one of its keys. */
    overheadBytes: 4_096,
    keyOverheadBytes: 200,
  },
} as const
