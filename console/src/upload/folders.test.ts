import assert from 'node:assert/strict';
import { test } from 'node:test';
import { groupByFolder, guess, leftOut, pictureType, splitPictures } from './folders.ts';

const found = (path: string) => ({ path, file: new File([], path) });

test('The nearest folder whose name says something gives the label', () => {
  assert.equal(guess('line7/good'), 'normal');
  assert.equal(guess('line7/Anomaly/scratch'), 'anomaly');
  assert.equal(guess('anomaly/good'), 'normal');
  assert.equal(guess('line7/2024'), 'unlabelled');
  assert.equal(guess(''), 'unlabelled');
  assert.equal(guess('goodness'), 'unlabelled');
});

test('Masks are not pictures', () => {
  assert.equal(guess('masks/anomaly'), 'skip');
  assert.equal(guess('part/ground_truth/scratch'), 'skip');
});

test('Folders of MVTec AD are understood', () => {
  const folders = groupByFolder(['nut/train/good/1.png', 'nut/test/good/1.png', 'nut/test/bent/1.png', 'nut/ground_truth/bent/1_mask.png', '.DS_Store'].map(found));
  assert.deepEqual(
    folders.map(({ path, choice }) => [path, choice]),
    [
      ['nut/train/good', 'normal'],
      ['nut/test/good', 'normal'],
      ['nut/test/bent', 'anomaly'],
      ['nut/ground_truth/bent', 'skip'],
    ],
  );
});

test('Files that are no pictures by their names are told apart and named', () => {
  const { pictures, others } = splitPictures(['a/1.jpg', 'a/2.PNG', 'a/3', 'v1.2/4', 'a/notes.txt', 'b/5.bmp', 'b/6.BMP', '.DS_Store', 'a/Thumbs.db'].map(found));
  assert.deepEqual(
    pictures.map(({ path }) => path),
    ['a/1.jpg', 'a/2.PNG', 'a/3', 'v1.2/4'],
  );
  assert.equal(leftOut(others), '3 files are neither PNG nor JPEG and left out (.bmp, .txt).');
  assert.equal(leftOut(others.slice(0, 1)), 'One file is neither PNG nor JPEG and left out (.txt).');
  assert.equal(leftOut([]), undefined);
});

test('The first bytes tell the type of a picture', () => {
  assert.equal(pictureType(new Uint8Array([0xff, 0xd8, 0xff, 0xe0])), 'image/jpeg');
  assert.equal(pictureType(new Uint8Array([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a])), 'image/png');
  assert.equal(pictureType(new TextEncoder().encode('<svg')), null);
  assert.equal(pictureType(new Uint8Array()), null);
});
