/** The bounds of what control keeps of site code: manifests, secrets, logs. A part of the table in limits.ts. */

/** The bounds of site code on control's side, grouped by what they bound. */
export const siteCodeLimits = {
  /** Manifests of versions' code: the largest that is read, and those that are remembered. */
  codeManifest: { bytes: 8_388_608, known: 100 },
  /** Control's line to the supervisor of sandboxes. */
  sandboxControl: {
    helloMs: 5_000,
    /** How long a publish waits until the code of its version is loaded, before visitors get the version anyway. */
    liveMs: 5_000,
    statusMs: 1_000,
    usageMs: 10_000,
    /** Changes that are kept for a supervisor that is away. */
    missed: 10_000,
    /** Folders above a path in which a page for what is not there is looked for. */
    folders: 32,
    /** Versions of sites whose compiled files are remembered for their code, and files of each. */
    assets: 2_000,
  },
  /** Secrets of a site that stay open though nobody uses them. */
  secretBags: { open: 200 },
  /** Logs of sites. Each has a file and an older one. */
  siteOutput: {
    fileBytes: 1_048_576,
    /** Lines that one who asks gets of what was before. */
    linesListed: 10_000,
    linesDefault: 100,
    /** Those who follow one site, and lines that wait for one of them. */
    followers: 20,
    waiting: 2_000,
    /** How often one who follows is told that nothing has come. */
    beatMs: 15_000,
    /** Lines that wait for the disk; beyond it they are left out. */
    queued: 20_000,
    /** Batches of lines that wait for source maps, the largest map that is read, and those that are remembered. */
    mapped: 100,
    mapBytes: 8_388_608,
    maps: 20,
  },
} as const
