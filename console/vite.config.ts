import react from '@vitejs/plugin-react';
import { defineConfig } from 'vite';

// The console is served under /console/ by the server whose APIs it calls. For development, `npm run dev` passes all other
// paths on to a server on the default port.
const server = process.env.VEDETTE_ENDPOINT ?? 'http://127.0.0.1:8420';

export default defineConfig({
  base: '/console/',
  plugins: [react()],
  build: {
    outDir: process.env.VEDETTE_CONSOLE_OUT ?? 'dist',
    emptyOutDir: true,
    target: 'es2022',
    // Nothing may be inlined as a script or a style, because the content security policy forbids it.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    chunkSizeWarningLimit: 2000,
  },
  server: { proxy: { '^/(?!console/)': { target: server, changeOrigin: false } } },
});
