/** Pictures by a parser in WebAssembly: their size, and a smaller copy. */

import { BitDepth, ColorType, decode, encode } from '@cf-wasm/png'

export default {
  async fetch(request: Request): Promise<Response> {
    const bytes = new Uint8Array(await request.arrayBuffer())
    if (new URL(request.url).pathname === '/size') return Response.json(sizeOf(bytes))
    const half = halve(decode(bytes))
    const small = encode(half.image, half.width, half.height, { color: ColorType.RGBA, depth: BitDepth.Eight })
    return new Response(small as BodyInit, {
      headers: { 'content-type': 'image/png', 'x-size': JSON.stringify(sizeOf(small)) },
    })
  },
}

interface Picture {
  readonly width: number
  readonly height: number
  readonly image: Uint8Array
}

function sizeOf(bytes: Uint8Array): object {
  try {
    const { width, height, image } = decode(bytes) as Picture
    return { width, height, bytes: image.length, first: [...image.subarray(0, 4)] }
  } catch (error) {
    return { error: String(error) }
  }
}

/** Every second pixel of every second line. */
function halve({ width, height, image }: Picture): Picture {
  const small = { width: width >> 1, height: height >> 1 }
  const out = new Uint8Array(small.width * small.height * 4)
  for (let y = 0; y < small.height; y += 1)
    for (let x = 0; x < small.width; x += 1) {
      const from = (2 * y * width + 2 * x) * 4
      out.set(image.subarray(from, from + 4), (y * small.width + x) * 4)
    }
  return { ...small, image: out }
}
