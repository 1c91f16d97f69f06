// Writes docs/console/keys.md from the one table of keys, src/keys/keys.ts.
import { mkdirSync, writeFileSync } from 'node:fs';
import { build } from 'esbuild';

const root = new URL('..', import.meta.url).pathname;
const { outputFiles } = await build({ entryPoints: [`${root}src/keys/keys.ts`], bundle: true, platform: 'node', format: 'esm', write: false });
const { keysMarkdown } = await import(`data:text/javascript;base64,${Buffer.from(outputFiles[0].text).toString('base64')}`);
mkdirSync(`${root}../docs/console`, { recursive: true });
writeFileSync(`${root}../docs/console/keys.md`, keysMarkdown());
