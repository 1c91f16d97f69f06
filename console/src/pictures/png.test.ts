import assert from 'node:assert/strict';
import { test } from 'node:test';
import { deflateSync } from 'node:zlib';
import { decodeMask, encodeMask } from './mask.ts';
import { decodePng, encodeIndexedPng } from './png.ts';

/** The checksum of the specification's appendix, bit by bit. */
function crc32(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let k = 0; k < 8; ++k) crc = crc & 1 ? 0xedb88320 ^ (crc >>> 1) : crc >>> 1;
  }
  return ~crc >>> 0;
}

function chunk(type: string, body: Uint8Array): Buffer {
  const out = Buffer.alloc(body.length + 12);
  out.writeUInt32BE(body.length, 0);
  out.write(type, 4, 'latin1');
  out.set(body, 8);
  out.writeUInt32BE(crc32(out.subarray(4, 8 + body.length)), 8 + body.length);
  return out;
}

interface Kind {
  width: number;
  height: number;
  depth: number;
  type: number;
  interlaced?: boolean;
  before?: Buffer[];
}

/** A PNG of filtered rows that a test made by hand. */
function png({ width, height, depth, type, interlaced = false, before = [] }: Kind, rows: number[]): Uint8Array {
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header.set([depth, type, 0, 0, interlaced ? 1 : 0], 8);
  const data = deflateSync(Uint8Array.from(rows));
  const half = data.length >> 1;
  const idat = [chunk('IDAT', data.subarray(0, half)), chunk('IDAT', data.subarray(half))];
  return new Uint8Array(Buffer.concat([Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]), chunk('IHDR', header), ...before, ...idat, chunk('IEND', new Uint8Array())]));
}

test('Planes go through an indexed PNG unchanged', async () => {
  const width = 131;
  const height = 77;
  const data = Uint8Array.from({ length: width * height }, (_, i) => ((i * 2654435761) >>> 7) % 4);
  const bytes = await encodeIndexedPng(data, width, height, [0xffffff, 0x0000ff, 0x00ff00, 0xff0000]);
  const back = await decodePng(bytes);
  assert.deepEqual([back.width, back.height], [width, height]);
  assert.deepEqual(back.indices, data);
  assert.deepEqual([...back.palette!], [0xffffff, 0x0000ff, 0x00ff00, 0xff0000]);
  assert.equal(crc32(bytes.subarray(12, 29)), Buffer.from(bytes).readUInt32BE(29));
});

test('All five filters are undone', async () => {
  // Each row of 2 RGB pixels is 10, 20, 30, 40, 50, 60 after its filter is undone.
  const rows = [
    [1, 10, 20, 30, 30, 30, 30],
    [2, 0, 0, 0, 0, 0, 0],
    [3, 5, 10, 15, 15, 15, 15],
    [4, 0, 0, 0, 0, 0, 0],
    [0, 10, 20, 30, 40, 50, 60],
  ];
  const { rgba } = await decodePng(png({ width: 2, height: 5, depth: 8, type: 2 }, rows.flat()));
  for (let y = 0; y < 5; ++y) assert.deepEqual([...rgba!.subarray(8 * y, 8 * y + 8)], [10, 20, 30, 255, 40, 50, 60, 255]);
});

test('Small depths, 16 bits, grey with alpha and interlacing are read', async () => {
  const palette = chunk('PLTE', Uint8Array.of(255, 255, 255, 1, 2, 3, 4, 5, 6, 7, 8, 9));
  const two = await decodePng(png({ width: 5, height: 1, depth: 2, type: 3, before: [palette] }, [0, 0b00011011, 0b01000000]));
  assert.deepEqual([...two.indices!], [0, 1, 2, 3, 1]);
  const grey = await decodePng(png({ width: 3, height: 1, depth: 1, type: 0 }, [0, 0b10100000]));
  assert.deepEqual([...grey.indices!].map((i) => grey.palette![i]), [0xffffff, 0, 0xffffff]);
  const deep = await decodePng(png({ width: 1, height: 1, depth: 16, type: 6 }, [0, 1, 99, 2, 99, 3, 99, 0, 0]));
  assert.deepEqual([...deep.rgba!], [1, 2, 3, 255], 'alpha is dropped, not multiplied');
  const greyAlpha = await decodePng(png({ width: 1, height: 1, depth: 8, type: 4 }, [0, 7, 0]));
  assert.deepEqual([...greyAlpha.rgba!], [7, 7, 7, 255]);
  // The passes of a picture of 3 x 3 pixels whose values are 0 … 8 (Adam7).
  const passes = [[0, 0], [], [], [0, 2], [0, 6, 8], [0, 1], [0, 7], [0, 3, 4, 5]];
  const interlaced = await decodePng(png({ width: 3, height: 3, depth: 8, type: 0, interlaced: true }, passes.flat()));
  assert.deepEqual([...interlaced.indices!], [0, 1, 2, 3, 4, 5, 6, 7, 8]);
});

test('Broken files are refused', async () => {
  const good = png({ width: 4, height: 4, depth: 8, type: 0 }, new Array(20).fill(0));
  await decodePng(good);
  for (let length = 0; length < good.length - 12; ++length) await assert.rejects(decodePng(good.slice(0, length)), /PNG/, `cut at ${length}`);
  await assert.rejects(decodePng(png({ width: 5000, height: 1, depth: 8, type: 0 }, [0])), /5000/);
  await assert.rejects(decodePng(png({ width: 2, height: 2, depth: 8, type: 3 }, [0, 0, 0, 0, 0, 0])), /palette/);
  await assert.rejects(decodePng(png({ width: 2, height: 2, depth: 8, type: 0 }, [5, 0, 0, 5, 0, 0])), /broken/);
  await assert.rejects(decodePng(png({ width: 2, height: 2, depth: 3, type: 0 }, [0, 0, 0, 0])), /colours/);
  await assert.rejects(decodePng(png({ width: 64, height: 64, depth: 8, type: 0 }, [0, 0])), /cut off/);
});

const labels = [{ name: 'scratch', colour: '#E6194B' }, { name: 'dent', colour: '#3cb44b' }];

test('Masks keep their colours whatever gamma and primaries their files name, and their labels when they are saved again', async () => {
  const before = [
    chunk('gAMA', Uint8Array.of(0, 0, 0xb1, 0x8f)),
    chunk('cHRM', new Uint8Array(32).fill(3)),
    chunk('PLTE', Uint8Array.of(255, 255, 255, 0x3c, 0xb4, 0x4b, 0xe6, 0x19, 0x4b, 17, 17, 17)),
    chunk('tRNS', Uint8Array.of(0, 128)),
  ];
  const plane = await decodeMask(png({ width: 4, height: 1, depth: 8, type: 3, before }, [0, 0, 1, 2, 0]), labels);
  assert.deepEqual([...plane.data], [0, 2, 1, 0]);
  const saved = await encodeMask(plane, labels);
  assert.deepEqual(saved.labels, labels);
  assert.deepEqual((await decodeMask(saved.png, labels)).data, plane.data);
  // A label that no pixel has gets no index.
  const dents = { ...plane, data: Uint8Array.of(0, 2, 2, 0) };
  const onlyDents = await encodeMask(dents, labels);
  assert.deepEqual(onlyDents.labels, [labels[1]]);
  assert.deepEqual([...(await decodePng(onlyDents.png)).indices!], [0, 1, 1, 0]);
  assert.deepEqual((await decodeMask(onlyDents.png, labels)).data, dents.data);
});

test('RGB masks are read, black is background, and an unknown colour is named', async () => {
  const plane = await decodeMask(png({ width: 3, height: 1, depth: 8, type: 2 }, [0, 0, 0, 0, 0xe6, 0x19, 0x4b, 255, 255, 255]), labels);
  assert.deepEqual([...plane.data], [0, 1, 0]);
  await assert.rejects(decodeMask(png({ width: 1, height: 1, depth: 8, type: 2 }, [0, 1, 2, 3]), labels), /#010203/);
});
