/**
 * URLPattern (URL Pattern Standard), from `urlpattern-polyfill`. It uses the `URL` of the global when it is called, which is
 * ours: the parsing is the host's, as everywhere.
 */

import { URLPattern } from 'urlpattern-polyfill/urlpattern'
import { defineInterface } from './idl.ts'

defineInterface(URLPattern, { name: 'URLPattern' })

/** `URLPattern`. */
export const urlPatternClass = URLPattern
