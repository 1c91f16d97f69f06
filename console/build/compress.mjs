// Writes FILE.br and FILE.gz beside each file of the built console: the server sends these as they are and never compresses by
// itself. Browsers take brotli only over TLS and from their own machine; elsewhere they take gzip.
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { brotliCompressSync, constants, gzipSync } from 'node:zlib';

const folder = process.env.VEDETTE_CONSOLE_OUT ?? new URL('../dist', import.meta.url).pathname;
for (const name of readdirSync(folder, { recursive: true })) {
  const path = join(folder, name);
  if (!statSync(path).isFile() || path.endsWith('.br') || path.endsWith('.gz')) continue;
  const bytes = readFileSync(path);
  const options = { params: { [constants.BROTLI_PARAM_QUALITY]: 11, [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length } };
  writeFileSync(`${path}.br`, brotliCompressSync(bytes, options));
  writeFileSync(`${path}.gz`, gzipSync(bytes, { level: 9 }));
}
