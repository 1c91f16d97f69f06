import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readHeader, stripForDisplay } from './strip.ts';

const segment = (code: number, ...body: number[]) => [0xff, code, (body.length + 2) >> 8, (body.length + 2) & 255, ...body];
const exif = segment(0xe1, ...'Exif\0\0MM'.split('').map((c) => c.charCodeAt(0)), 0, 42);
const icc = segment(0xe2, ...'ICC_PROFILE\0'.split('').map((c) => c.charCodeAt(0)), 1, 1);
const adobe = segment(0xee, ...'Adobe'.split('').map((c) => c.charCodeAt(0)), 0, 100, 0, 0, 0, 0, 1);
const frame = segment(0xc0, 8, 0, 48, 0, 64, 3, 1, 0x22, 0, 2, 0x11, 1, 3, 0x11, 1);
// The data of a scan may hold what looks like the beginning of a dropped segment.
const scan = [...segment(0xda, 3, 1, 0, 2, 0x11, 3, 0x11, 0, 63, 0), 1, 2, 0xff, 0x00, 0xe1, 3, 0xff, 0xd9];
const jpeg = (...parts: number[][]) => Uint8Array.from([0xff, 0xd8, ...parts.flat()]);

const chunk = (type: string, ...body: number[]) => [0, 0, body.length >> 8, body.length & 255, ...type.split('').map((c) => c.charCodeAt(0)), ...body, 1, 2, 3, 4];
const png = (...parts: number[][]) => Uint8Array.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a, ...parts.flat()]);
const header = (type: number) => chunk('IHDR', 0, 0, 0, 64, 0, 0, 0, 48, 8, type, 0, 0, 0);

test('A JPEG loses EXIF and profile, and nothing else', () => {
  assert.deepEqual(stripForDisplay(jpeg(exif, icc, adobe, frame, exif, scan)), jpeg(adobe, frame, scan));
  assert.deepEqual(stripForDisplay(jpeg(adobe, [0xff], exif, [0xff, 0xff], frame, scan)), jpeg(adobe, [0xff, 0xff], frame, scan), 'fill bytes stand before markers');
});

test('A PNG loses the chunks that change its drawing, and what follows its end', () => {
  const data = chunk('IDAT', 1, 2, 3);
  const file = png(header(2), chunk('gAMA', 0, 0, 1, 2), chunk('cHRM', ...new Array(32).fill(1)), chunk('sRGB', 0), chunk('iCCP', 1), chunk('eXIf', 77, 77), chunk('tEXt', 5), data, chunk('IEND'), [9, 9]);
  assert.deepEqual(stripForDisplay(file), png(header(2), chunk('tEXt', 5), data, chunk('IEND')));
});

test('Broken and other files come back as they are, wherever they break', () => {
  const full = jpeg(exif, frame, scan);
  const scanStart = 2 + exif.length + frame.length;
  for (let length = 0; length <= scanStart; ++length) {
    const cut = full.slice(0, length);
    assert.equal(stripForDisplay(cut), cut, `cut at ${length}`);
  }
  const file = png(header(2), chunk('eXIf', 1), chunk('IEND'));
  for (let length = 0; length < file.length; ++length) {
    const cut = file.slice(0, length);
    assert.equal(stripForDisplay(cut), cut, `cut at ${length}`);
  }
  const tooShort = jpeg([0xff, 0xe1, 0, 0], frame, scan);
  assert.equal(stripForDisplay(tooShort), tooShort);
  const endless = png(header(2), [0xff, 0xff, 0xff, 0xff, 0x65, 0x58, 0x49, 0x66]);
  assert.equal(stripForDisplay(endless), endless);
  const gif = Uint8Array.from([0x47, 0x49, 0x46]);
  assert.equal(stripForDisplay(gif), gif);
});

test('Headers tell sides and alpha', () => {
  assert.deepEqual(readHeader(jpeg(exif, [0xff, 0xff], frame, scan)), { format: 'jpeg', width: 64, height: 48, hasAlpha: false });
  assert.deepEqual(readHeader(png(header(2), chunk('IDAT', 1), chunk('IEND'))), { format: 'png', width: 64, height: 48, hasAlpha: false });
  assert.equal(readHeader(png(header(6), chunk('IDAT', 1)))?.hasAlpha, true);
  assert.equal(readHeader(png(header(3), chunk('tRNS', 1), chunk('IDAT', 1)))?.hasAlpha, true);
  const full = jpeg(exif, frame, scan);
  for (let length = 0; length < 2 + exif.length + 9; ++length) assert.equal(readHeader(full.slice(0, length)), null);
  assert.equal(readHeader(jpeg([0xff, 0xe0, 0, 0])), null);
});
