import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Client } from '../api/client.ts';
import { ApiError } from '../api/errors.ts';
import { parseEntry, segmentationLine } from '../labels/lines.ts';
import { kAnomaly, kNormal, kUnlabelled, type Label } from './rows.ts';
import { batchesOf, relabelled, SaveError, saveLabels } from './saving.ts';

const line = (length: number) => ({ sourceRef: 's3://b/x', text: 'x'.repeat(length) });

test('Batches keep within lines and bytes, in order', () => {
  const lines = [5, 5, 5, 50, 5].map(line);
  assert.deepEqual(batchesOf(lines, 2, 1000).map((batch) => batch.length), [2, 2, 1]);
  assert.deepEqual(batchesOf(lines, 100, 18).map((batch) => batch.map(({ text }) => text.length)), [[5, 5, 5], [50], [5]]);
  assert.deepEqual(batchesOf([{ sourceRef: '', text: 'é'.repeat(5) }, line(5)], 100, 12).length, 2, 'bytes, not characters');
  assert.deepEqual(batchesOf([]), []);
});

test('An anomaly keeps the mask of its line, other labels drop it, and members of the user stay', () => {
  const previous = segmentationLine('s3://b/a.png', 's3://b/m.png', [{ name: 'dent', colour: '#ff0000' }], { previous: '{"source-ref":"s3://b/a.png","station":4}' });
  const read = (label: Label) => parseEntry(relabelled('s3://b/a.png', label, previous))!;
  assert.equal(read(kAnomaly).mask?.maskRef, 's3://b/m.png');
  assert.equal(read(kNormal).mask, null);
  assert.equal(read(kNormal).class, 'normal');
  assert.equal(read(kUnlabelled).class, null);
  for (const label of [kAnomaly, kNormal, kUnlabelled] as const) assert.match(read(label).line, /"station":4/);
});

/** A server that holds lines by picture, and takes no lines of `refused`. */
function fakeServer(lines: Map<string, string>, refused = '') {
  const updates: string[][] = [];
  let status = 'CREATE_COMPLETE';
  let message = '';
  const client = {
    all: async (_name: string, _list: string, { SourceRefContains }: Record<string, string>) =>
      [...lines].filter(([sourceRef]) => sourceRef.includes(SourceRefContains!)).map(([, text]) => text),
    async call(name: string, input: Record<string, string>) {
      if (name === 'DescribeDataset') return { DatasetDescription: { Status: status, StatusMessage: message } };
      if (name === 'ListDatasetEntries') {
        const found = [...lines].filter(([sourceRef]) => sourceRef.includes(input.SourceRefContains ?? '')).map(([, text]) => text);
        const at = Number(input.NextToken ?? 0);
        return { DatasetEntries: found.slice(at, at + 100), NextToken: at + 100 < found.length ? String(at + 100) : undefined };
      }
      assert.equal(name, 'UpdateDatasetEntries');
      const sent = Buffer.from(input.Changes!, 'base64').toString().split('\n');
      const wrong = sent.findIndex((text) => parseEntry(text)!.sourceRef === refused);
      status = wrong < 0 ? 'UPDATE_COMPLETE' : 'UPDATE_FAILED_ROLLBACK_COMPLETE';
      message = wrong < 0 ? '' : `Line ${wrong + 1}: the object does not exist.`;
      if (wrong < 0) for (const text of sent) lines.set(parseEntry(text)!.sourceRef, text);
      updates.push(sent);
      return { Status: 'UPDATE_IN_PROGRESS' };
    },
  };
  return { client: client as unknown as Client, updates };
}

const unlabelled = (count: number) => new Map(Array.from({ length: count }, (_, i) => [`s3://b/${i}.png`, `{"source-ref":"s3://b/${i}.png","station":${i}}`]));

const labelled = (lines: Map<string, string>, label: Label) => new Map([...lines.keys()].map((sourceRef) => [sourceRef, label]));

for (const count of [3, 4500])
  test(`${count} labels are saved on top of the lines that the dataset has`, async () => {
    const lines = unlabelled(count);
    const { client, updates } = fakeServer(lines);
    const saved: string[] = [];
    await saveLabels(client, 'p', 'train', labelled(lines, kNormal), (sourceRefs) => saved.push(...sourceRefs));
    assert.equal(saved.length, count);
    assert.equal(updates.length, Math.ceil(count / 2000));
    for (const [i, text] of [...lines.values()].entries()) {
      assert.equal(parseEntry(text)!.class, 'normal');
      assert.match(text, new RegExp(`"station":${i}\\b`));
    }
  });

test('A failure names the picture, and what was saved before counts', async () => {
  const lines = unlabelled(2500);
  const { client } = fakeServer(lines, 's3://b/2004.png');
  const saved: string[] = [];
  await assert.rejects(saveLabels(client, 'p', 'train', labelled(lines, kAnomaly), (sourceRefs) => saved.push(...sourceRefs)), (error) => {
    assert.ok(error instanceof SaveError && error.cause instanceof ApiError);
    assert.deepEqual(error.pictures, ['s3://b/2004.png']);
    assert.match(error.message, /does not exist/);
    return true;
  });
  assert.equal(saved.length, 2000);
});
