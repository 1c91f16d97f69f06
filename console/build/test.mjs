// Bundles every src/**/*.test.ts and runs them with the test runner of Node.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { build } from 'esbuild';

const root = new URL('..', import.meta.url).pathname;
const chosen = process.argv.slice(2);
const entryPoints = readdirSync(join(root, 'src'), { recursive: true })
  .filter((name) => /\.test\.tsx?$/.test(name) && (chosen.length === 0 || chosen.some((part) => name.includes(part))))
  .map((name) => join(root, 'src', name));
if (entryPoints.length === 0) throw new Error('No test matches.');
const outdir = mkdtempSync(join(tmpdir(), 'vedette-console-tests-'));
try {
  // What browsers and newer versions of Node have without an import, Node 18 has not.
  const banner = {
    js: "import { webcrypto as __webcrypto } from 'node:crypto'; import { File as __File } from 'node:buffer'; globalThis.crypto ??= __webcrypto; globalThis.File ??= __File;",
  };
  await build({ entryPoints, outdir, banner, bundle: true, platform: 'node', format: 'esm', outExtension: { '.js': '.mjs' }, sourcemap: 'inline', logLevel: 'warning' });
  const files = readdirSync(outdir, { recursive: true }).filter((name) => name.endsWith('.mjs')).map((name) => join(outdir, name));
  process.exitCode = spawnSync(process.execPath, ['--enable-source-maps', '--test', ...files], { stdio: 'inherit' }).status ?? 1;
} finally {
  rmSync(outdir, { recursive: true });
}
