/** The schemas of the bounds of site code, see sandbox-limits.ts. */

import { z } from 'zod'
import { type SandboxBound, type SandboxLimits, type SandboxTier, sandboxBounds } from './sandbox-limits.ts'

const names = Object.keys(sandboxBounds) as SandboxBound[]

/** What each bound is, for the reference of the config. */
const meanings: Readonly<Record<SandboxBound, string>> = {
  cpuMs: 'Processor time of one request, before it draws on the reserve.',
  cpuBucketMs: 'The reserve of processor time that a site saves up.',
  cpuRefillMsPerSecond: 'What flows into the reserve each second.',
  entryMs: 'How long code may run at a stretch.',
  startupMs: 'How long the top of its modules may take.',
  firstByteMs: 'Until the head of an answer is there.',
  totalMs: 'Until an answer is whole.',
  waitUntilMs: 'How long `waitUntil` may go on after the answer.',
  heapMiB: 'Heap of an isolate, in MiB.',
  processMiB: "Memory of the site's process, in MiB.",
  wasmMemoryMiB: 'One memory of WebAssembly, in MiB.',
  wasmModuleBytes: 'One module of WebAssembly.',
  wasmTableEntries: 'Entries of a table of WebAssembly.',
  bundleBytes: 'The bundle of a version.',
  vars: 'Variables and secrets of a site.',
  varBytes: 'One value of these.',
  subrequests: 'How often one request may `fetch`.',
  concurrentSubrequests: 'How many of these at one time.',
  dataOperations: "Operations on the site's data of one request.",
  bufferedBodyBytes: 'A body that is taken as a whole.',
  streamedBodyBytes: "A request's body that is taken in pieces.",
  fetchedBytes: 'A body that `fetch` brings.',
  responseHeaders: 'Headers of an answer.',
  responseHeaderBytes: 'All of their names and values.',
  urlChars: 'Characters of a URL.',
  timers: 'Timers that wait.',
  operations: 'Operations of the host under way.',
  logLines: 'Lines that one request writes to the log.',
  logBytes: 'All of these.',
  logLinesPerMinute: 'Lines of a site in a minute.',
  concurrentRequests: 'Requests that are answered at one time.',
  queuedRequests: 'Requests that wait for it; the next get 503.',
  pbkdf2Iterations: 'Rounds of PBKDF2.',
  rsaBits: 'Bits of an RSA key.',
  cryptoKeys: 'Keys that are kept.',
  decompressedBytes: 'What one `DecompressionStream` gives.',
}

/** Numbers of a tier as a config writes them: whole, 1 to the most of each bound; what it leaves out is the default. */
export const sandboxTierSchema: z.ZodType<SandboxTier> = z
  .strictObject(
    Object.fromEntries(
      names.map((name) => [
        name,
        z
          .int()
          .min(1)
          .max(sandboxBounds[name].most)
          .optional()
          .describe(`${meanings[name]} Default: ${sandboxBounds[name].default}.`),
      ]),
    ) as Record<SandboxBound, z.ZodOptional<z.ZodInt>>,
  )
  .describe('The limits of one tier.')

/** All numbers of a tier, as they cross a channel. */
export const sandboxLimitsSchema: z.ZodType<SandboxLimits> = z.strictObject(
  Object.fromEntries(names.map((name) => [name, z.int().min(1).max(sandboxBounds[name].most)])) as Record<
    SandboxBound,
    z.ZodInt
  >,
)
