/** Reading the imports of a source file, without a compiler: static, dynamic, type-only, and re-exports. */

/**
 * What a file imports by a literal name, in order, each once. Comments, template texts and regular expressions are not
 * looked into, so an `import` that is only written about does not count.
 */
export function readImports(source: string): string[] {
  const code = blankOut(source)
  const found = new Set<string>()
  for (const [, specifier] of code.matchAll(importPattern)) if (specifier !== undefined) found.add(specifier)
  return [...found]
}

// `import x from 'a'`, `export { x } from 'a'`, `import 'a'`, `import('a')` and, in types, `typeof import('a')`.
// Between the keyword and the name stand only names, braces, commas and stars.
const importPattern =
  /(?<![\w$.])(?:(?:import|export)\s*(?:type\s*)?[\w$\s,{}*]*?\bfrom\s*|import\s*\(?\s*)["']([^"'\n]+)["']/g

const beforeName = /(?<![\w$.])(?:from|import\s*\(?)$/
const beforeRegExp = new Set([...'(,=:[!&|?{};+-*%~^<>', ''])
const keywordBeforeRegExp = /(?:^|[^\w$.])(?:return|typeof|case|in|of|delete|void|throw|new|do|else|await|yield)$/

/** The source with everything as spaces that is not code: comments, texts but for names of modules, regular expressions. */
function blankOut(source: string): string {
  let code = ''
  let at = 0
  /** For each open `${`: how many braces are open inside it. */
  const templates: number[] = []
  const skipTo = (end: number) => {
    code += source.slice(at, end).replace(/[^\n]/g, ' ')
    at = end
  }
  while (at < source.length) {
    const char = source[at] ?? ''
    const pair = source.slice(at, at + 2)
    const depth = templates.at(-1)
    if (pair === '//') skipTo(endOf(source, '\n', at))
    else if (pair === '/*') skipTo(endOf(source, '*/', at + 2) + 2)
    else if (char === '"' || char === "'") {
      const end = endOfQuoted(source, at, char)
      if (!beforeName.test(code.trimEnd().slice(-100))) skipTo(end)
      code += source.slice(at, end)
      at = end
    } else if (char === '`' || (char === '}' && depth === 0)) {
      if (char === '}') templates.pop()
      const end = endOfTemplate(source, at + 1)
      if (source[end - 1] === '{') templates.push(0)
      skipTo(end)
    } else if (char === '/' && startsRegExp(code)) skipTo(endOfRegExp(source, at))
    else {
      if (depth !== undefined && char === '{') templates[templates.length - 1] = depth + 1
      if (depth !== undefined && char === '}') templates[templates.length - 1] = depth - 1
      code += char
      at += 1
    }
  }
  return code
}

/** A slash divides after a value and begins a regular expression after anything else. */
function startsRegExp(code: string): boolean {
  const before = code.trimEnd()
  return beforeRegExp.has(before.at(-1) ?? '') || keywordBeforeRegExp.test(before.slice(-12))
}

function endOf(source: string, text: string, from: number): number {
  const found = source.indexOf(text, from)
  return found === -1 ? source.length : found
}

function endOfQuoted(source: string, start: number, quote: string): number {
  for (let at = start + 1; at < source.length; at++) {
    if (source[at] === '\\') at += 1
    else if (source[at] === quote || source[at] === '\n') return at + 1
  }
  return source.length
}

/** Just behind the closing backtick, or behind the `${` that comes first. */
function endOfTemplate(source: string, start: number): number {
  for (let at = start; at < source.length; at++) {
    if (source[at] === '\\') at += 1
    else if (source[at] === '`') return at + 1
    else if (source.startsWith('${', at)) return at + 2
  }
  return source.length
}

function endOfRegExp(source: string, start: number): number {
  let inClass = false
  for (let at = start + 1; at < source.length; at++) {
    const char = source[at]
    if (char === '\\') at += 1
    else if (char === '[') inClass = true
    else if (char === ']') inClass = false
    else if (char === '\n' || (char === '/' && !inClass)) return at + 1
  }
  return source.length
}
