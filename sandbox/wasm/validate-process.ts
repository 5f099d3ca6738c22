/** The process in which a module of WebAssembly is checked. */

import { serveThrowaway } from '../throwaway/serve-throwaway.ts'
import { type ValidateInput, validateHere } from './validate.ts'

serveThrowaway(async (input) => validateHere(input as ValidateInput))
