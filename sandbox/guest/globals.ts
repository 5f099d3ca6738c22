/**
 * Everything on the global of site code, by name (WinterTC, minimum common web API 2025, and what issue 5 adds to it).
 */

import { AbortController, AbortSignal } from './abort.ts'
import { atob, btoa } from './base64.ts'
import { Blob, File } from './blob.ts'
import { CloseEvent } from './close-event.ts'
import { CompressionStream, DecompressionStream } from './compression.ts'
import { guestConsole } from './console.ts'
import { Crypto, crypto } from './crypto.ts'
import { CryptoKey } from './crypto-key.ts'
import { DOMException } from './dom-exception.ts'
import { TextDecoder, TextEncoder } from './encoding.ts'
import { TextDecoderStream, TextEncoderStream } from './encoding-streams.ts'
import { ErrorEvent, PromiseRejectionEvent } from './error-events.ts'
import { EventTarget } from './event-target.ts'
import { CustomEvent, Event } from './events.ts'
import { fetch } from './fetch.ts'
import { FormData } from './form-data.ts'
import { Headers } from './headers.ts'
import { MessageChannel, MessagePort } from './message-channel.ts'
import { MessageEvent } from './message-event.ts'
import { Navigator, navigator } from './navigator.ts'
import { Performance, PerformanceEntry, PerformanceMark, PerformanceMeasure, performance } from './performance.ts'
import { reportError } from './report-error.ts'
import { Request } from './request.ts'
import { Response } from './response.ts'
import { streamClasses } from './streams.ts'
import { structuredClone } from './structured-clone.ts'
import { SubtleCrypto } from './subtle.ts'
import { clearInterval, clearTimeout, queueMicrotask, setInterval, setTimeout } from './timers.ts'
import { URL } from './url.ts'
import { urlPatternClass } from './url-pattern.ts'
import { URLSearchParams } from './url-search-params.ts'
import { WebSocket, WebSocketPair } from './web-socket.ts'

/** Interfaces, which are not enumerable. Keyed by name. */
export const interfaces = {
  AbortController,
  AbortSignal,
  Blob,
  CloseEvent,
  CompressionStream,
  Crypto,
  CryptoKey,
  CustomEvent,
  DOMException,
  DecompressionStream,
  ErrorEvent,
  Event,
  EventTarget,
  File,
  FormData,
  Headers,
  MessageChannel,
  MessageEvent,
  MessagePort,
  Navigator,
  Performance,
  PerformanceEntry,
  PerformanceMark,
  PerformanceMeasure,
  PromiseRejectionEvent,
  Request,
  Response,
  SubtleCrypto,
  TextDecoder,
  TextDecoderStream,
  TextEncoder,
  TextEncoderStream,
  URL,
  URLPattern: urlPatternClass,
  URLSearchParams,
  WebSocket,
  WebSocketPair,
  ...streamClasses,
  console: guestConsole,
} as const

/** Functions, which are enumerable. Keyed by name. */
export const operations = {
  atob,
  btoa,
  clearInterval,
  clearTimeout,
  fetch,
  queueMicrotask,
  reportError,
  setInterval,
  setTimeout,
  structuredClone,
} as const

/** Attributes, as getters. Keyed by name. */
export const attributes = { crypto, navigator, performance, self: globalThis } as const
