// Writes tar archives (POSIX.1-2017, ustar and pax), in which many small files travel in one request.

export interface TarFile {
  name: string;
  body: Uint8Array;
}

const kBlock = 512;
const encoder = new TextEncoder();
const padded = (size: number) => Math.ceil(size / kBlock) * kBlock;

function header(name: Uint8Array, size: number, type: '0' | 'x'): Uint8Array {
  const block = new Uint8Array(kBlock);
  const text = (at: number, value: string) => block.set(encoder.encode(value), at);
  const octal = (value: number, digits: number) => value.toString(8).padStart(digits, '0');
  block.set(name, 0);
  text(100, '0000644\0');
  text(108, '0000000\0');
  text(116, '0000000\0');
  text(124, `${octal(size, 11)}\0`);
  text(136, `${octal(0, 11)}\0`);
  text(148, ' '.repeat(8)); // The sum is taken with spaces in its own place.
  text(156, type);
  text(257, 'ustar\u000000');
  const sum = block.reduce((total, byte) => total + byte, 0);
  text(148, `${octal(sum, 6)}\0`);
  return block;
}

/** The record of a pax header; its length counts itself. */
function record(name: string, value: string): Uint8Array {
  const rest = encoder.encode(` ${name}=${value}\n`).length;
  let length = rest + 1;
  while (length !== rest + String(length).length) length = rest + String(length).length;
  return encoder.encode(`${length} ${name}=${value}\n`);
}

/** An archive of these files, in their order. Names of more than 100 bytes, or beyond ASCII, get a pax header. */
export function tar(files: TarFile[]): Uint8Array {
  const pieces: Uint8Array[] = [];
  let size = 0;
  const add = (piece: Uint8Array) => {
    pieces.push(piece);
    size += padded(piece.length);
  };
  for (const { name, body } of files) {
    const bytes = encoder.encode(name);
    const fits = bytes.length <= 100 && bytes.length === name.length;
    if (!fits) {
      const path = record('path', name);
      add(header(encoder.encode('pax'), path.length, 'x'));
      add(path);
    }
    add(header(fits ? bytes : encoder.encode('pax'), body.length, '0'));
    add(body);
  }
  const archive = new Uint8Array(size + 2 * kBlock);
  let at = 0;
  for (const piece of pieces) {
    archive.set(piece, at);
    at += padded(piece.length);
  }
  return archive;
}
