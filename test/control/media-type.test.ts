import t from 'tap'
import { isCompressible, isHtml, mediaTypeOf, unknownType } from '../../control/media-type.ts'

const types: [path: string, type: string, compressible: boolean][] = [
  ['index.html', 'text/html; charset=utf-8', true],
  ['a/b.c/INDEX.HTM', 'text/html; charset=utf-8', true],
  ['style.css', 'text/css; charset=utf-8', true],
  ['app.js', 'text/javascript; charset=utf-8', true],
  ['app.mjs', 'text/javascript; charset=utf-8', true],
  ['app.js.map', 'application/json; charset=utf-8', true],
  ['data.json', 'application/json; charset=utf-8', true],
  ['feed.atom', 'application/atom+xml; charset=utf-8', true],
  ['sitemap.xml', 'text/xml; charset=utf-8', true],
  ['logo.svg', 'image/svg+xml; charset=utf-8', true],
  ['logo.svgz', 'application/gzip', false],
  ['site.webmanifest', 'application/manifest+json; charset=utf-8', true],
  ['notes.txt', 'text/plain; charset=utf-8', true],
  ['favicon.ico', 'image/vnd.microsoft.icon', true],
  ['photo.jpg', 'image/jpeg', false],
  ['photo.avif', 'image/avif', false],
  ['film.mp4', 'video/mp4', false],
  ['font.woff2', 'font/woff2', false],
  ['font.ttf', 'font/ttf', true],
  ['module.wasm', 'application/wasm', true],
  ['paper.pdf', 'application/pdf', false],
  ['archive.tar.gz', 'application/gzip', false],
  ['LICENSE', unknownType, false],
  ['folder.html/LICENSE', unknownType, false],
  ['html', unknownType, false],
  ['.html', unknownType, false],
  ['a.', unknownType, false],
  ['a.unknown-extension', unknownType, false],
  ['a.constructor', unknownType, false],
  ['a.__proto__', unknownType, false],
  ['a.toString', unknownType, false],
  ['', unknownType, false],
]

for (const [path, type, compressible] of types) {
  t.test(`"${path}" is ${type}`, (t) => {
    t.equal(mediaTypeOf(path), type)
    t.equal(isCompressible(type), compressible, 'worth compressing')
    t.end()
  })
}

t.test('a page is known by its type, whatever the parameters and the case', (t) => {
  t.ok(isHtml('text/html; charset=utf-8'))
  t.ok(isHtml('Text/HTML'))
  t.ok(isHtml('application/xhtml+xml; charset=utf-8'))
  t.notOk(isHtml('text/html5'))
  t.notOk(isHtml('text/plain; charset=text/html'))
  t.end()
})
