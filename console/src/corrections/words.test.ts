import assert from 'node:assert/strict';
import { test } from 'node:test';
import { effectSentences, promise } from './words.ts';

test('the effect says what becomes right and what becomes wrong', () => {
  const effect = { ImageCount: 50, CorrectBefore: 45, CorrectAfter: 47, MadeCorrect: ['a', 'b', 'c'], MadeIncorrect: ['d'], MissedCount: 3, LearnedCount: 2 };
  assert.deepEqual(effectSentences(effect), [
    'Tried on the 50 pictures of the training, the corrections make 3 verdicts right and 1 wrong: 47 are right with them, 45 without.',
    '2 of the 3 pictures would have been right because of the others alone.',
  ]);
});

test('an effect on nothing says so, and a single correction has no others', () => {
  assert.deepEqual(effectSentences({ ImageCount: 50, CorrectBefore: 45, CorrectAfter: 45, MadeCorrect: [], MadeIncorrect: [], MissedCount: 1, LearnedCount: 0 }), [
    'Tried on the 50 pictures of the training, the corrections change no verdict: 45 are right.',
  ]);
  assert.deepEqual(effectSentences({}), []);
});

test('a missed defect is only found again where somebody pointed', () => {
  assert.ok(promise(true, false).includes('Point at the defect'));
  assert.ok(!promise(true, true).includes('Point at the defect'));
  assert.ok(promise(false, false).includes('nothing else'));
});
