/** The bounds of certificates that the operator brings in files. A part of the table in limits.ts. */

/** The bounds of files with certificates, grouped by what they bound. */
export const certFilesLimits = {
  certFiles: {
    /** Entries of the config; folders in one of them, pairs in all of them, and names in one folder. */
    specs: 1_000,
    folders: 1_000,
    pairs: 10_000,
    folderEntries: 50_000,
    /** One file, and one that holds a certificate with everything that belongs to it. */
    fileBytes: 262_144,
    containerBytes: 1_048_576,
    /** A change is read when the files were left alone for so long, or were written to for the longest time. */
    settleMs: 500,
    settleMostMs: 10_000,
    /** All files are looked at so often, also where nobody tells of changes. */
    pollMs: 60_000,
    /** Opening what is locked with a password: time, memory, rounds of deriving the key, and how many may wait. */
    openMs: 10_000,
    openMegabytes: 128,
    rounds: 10_000_000,
    opening: 20_000,
  },
} as const
