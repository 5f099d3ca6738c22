/** The style sheet of the plugin's pages, set into each of them: light and dark, from phone width upwards. */
export const pageStyle = `
:root {
  color-scheme: light dark;
  --ground: #eef1ea; --glow: #dde8d6; --card: #ffffff; --line: #cfd8cb; --field: #7b8b80; --text: #1b271f; --soft: #58665c;
  --accent: #2b6a45; --on-accent: #ffffff; --accent-deep: #22573a; --ring: #3f8a5f; --bad: #a3231b; --bad-ground: #fcebe9;
}
@media (prefers-color-scheme: dark) {
  :root {
    --ground: #101612; --glow: #1a2a1f; --card: #18201a; --line: #35443a; --field: #6f8276; --text: #e9f0ea; --soft: #a3b3a8;
    --accent: #7cc798; --on-accent: #0d1a12; --accent-deep: #97d6ae; --ring: #7cc798; --bad: #ffb4a9; --bad-ground: #3a1a17;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0; min-height: 100vh; min-height: 100dvh; display: grid; place-items: center; padding: 1.25rem;
  font: 1rem/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", sans-serif; color: var(--text);
  background: radial-gradient(60rem 36rem at 50% -8rem, var(--glow), transparent) var(--ground);
}
main {
  width: 100%; max-width: 24rem; padding: 2rem 1.75rem 1.75rem; background: var(--card); border: 1px solid var(--line);
  border-radius: 1.125rem; box-shadow: 0 1px 2px rgb(0 0 0 / .06), 0 18px 48px -20px rgb(0 0 0 / .28);
}
.mark { display: block; margin: 0 0 1rem -.35rem; }
.leaf { fill: var(--accent); }
.vein { stroke: var(--card); }
h1 { margin: 0; font-size: 1.6rem; line-height: 1.2; letter-spacing: -.015em; overflow-wrap: anywhere; }
.lead { margin: .35rem 0 1.5rem; color: var(--soft); overflow-wrap: anywhere; }
.lead strong { color: var(--text); font-weight: 600; }
label { display: block; margin: 0 0 .35rem; font-size: .925rem; font-weight: 600; }
input {
  display: block; width: 100%; min-height: 2.875rem; margin: 0 0 1.1rem; padding: .5rem .8rem; font: inherit;
  color: inherit; background: transparent; border: 1px solid var(--field); border-radius: .6rem;
}
input[aria-invalid] { border-color: var(--bad); }
button, .button {
  display: block; width: 100%; min-height: 2.875rem; padding: .6rem 1rem; font: inherit; font-weight: 600; text-align: center;
  text-decoration: none; color: var(--on-accent); background: var(--accent); border: 1px solid transparent;
  border-radius: .6rem; cursor: pointer;
}
button:hover, .button:hover { background: var(--accent-deep); }
.quiet { color: var(--text); background: transparent; border-color: var(--field); }
.quiet:hover { background: var(--glow); }
:focus-visible { outline: 3px solid var(--ring); outline-offset: 2px; }
.problem {
  margin: 0 0 1.25rem; padding: .7rem .85rem; color: var(--bad); background: var(--bad-ground); border-radius: .6rem;
}
.aside { margin: 1.25rem 0 0; font-size: .925rem; text-align: center; }
.aside a { display: inline-block; padding: .4rem; color: var(--soft); }
`
