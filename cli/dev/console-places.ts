/**
 * Lines of the console with the place that they were written at. The code of a dev build begins with a line that gives
 * each line of `console` its place as a last word, behind a sign that nobody sees or writes.
 */

/** A dev build's code with its places told, and its map moved by the line that was put before it. */
export function withConsolePlaces(code: string, map: string): { readonly code: string; readonly map: string } {
  const parsed = JSON.parse(map) as { mappings: string }
  return { code: `${teller}\n${code}`, map: JSON.stringify({ ...parsed, mappings: `;${parsed.mappings}` }) }
}

/** U+2063, INVISIBLE SEPARATOR. */
const sign = '\u2063'

/** One line: places in it are those of line 1, which are not the author's. */
const teller = `(()=>{for(const name of ["debug","error","info","log","warn"]){const own=console[name];const tell={[name](...data){const at=/grove:site:(?!1:)\\d+:\\d+/.exec(String(new Error().stack));if(at&&data.length>0)data.push("\\u2063"+at[0]);own(...data)}}[name];Object.defineProperty(console,name,{value:tell,writable:true,enumerable:true,configurable:true})}})();`

/** A mapped line, and the place that it ends in, if it was told. */
export function splitPlace(text: string): { readonly text: string; readonly place: string | undefined } {
  const at = text.lastIndexOf(sign)
  return at === -1
    ? { text, place: undefined }
    : { text: text.slice(0, at).trimEnd(), place: text.slice(at + sign.length) }
}
