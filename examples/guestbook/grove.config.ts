import { defineConfig, loginPassword } from 'grove'

// Where `npm start` runs the upstream; by itself it listens on port 7080.
const upstream = process.env['GUESTBOOK_UPSTREAM'] ?? 'http://127.0.0.1:7080'

export default defineConfig({
  domain: 'localhost',
  plugins: [loginPassword()],
  sites: {
    guestbook: { upstreams: [upstream], timeoutMs: 10_000, bodyBytes: 16_384 },
  },
})
