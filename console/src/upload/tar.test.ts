import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { test } from 'node:test';
import { tar } from './tar.ts';

/** What another program finds in an archive: the names and sizes of its files. */
function readByTar(archive: Uint8Array): string[] {
  const names = execFileSync('tar', ['-t', '--quoting-style=literal', '-f', '-'], { input: archive, encoding: 'utf8' }).trimEnd().split('\n');
  return names.map((name) => `${name} ${execFileSync('tar', ['-x', '-O', '-f', '-', name], { input: archive }).length}`);
}

test('Other programs read the archive', () => {
  const long = `${'a'.repeat(90)}/${'ü'.repeat(40)}.png`;
  const names = ['a.png', 'p/good/b.jpg', long, 'n'.repeat(100), 'n'.repeat(101), 'ä.png'];
  const files = names.map((name, i) => ({ name, body: new Uint8Array(i * 300).fill(i) }));
  const archive = tar(files);
  assert.equal(archive.length % 512, 0);
  assert.deepEqual(readByTar(archive), files.map(({ name, body }) => `${name} ${body.length}`));
});

test('A pax record counts its own length', () => {
  // The length of the record passes from two digits to three around these names.
  for (let length = 101; length < 120; length++) {
    const name = 'x'.repeat(length);
    assert.deepEqual(readByTar(tar([{ name, body: new Uint8Array(1) }])), [`${name} 1`]);
  }
  for (let length = 84; length < 92; length++) {
    const name = `ü${'x'.repeat(length)}`;
    assert.deepEqual(readByTar(tar([{ name, body: new Uint8Array(1) }])), [`${name} 1`]);
  }
});
