// What corrections change, in words.
import type { CorrectionEffect } from '../api/generated.ts';
import { count, plural } from '../app/format.ts';

/** What the corrections of a model would have changed about pictures that they were not made from. */
export function effectSentences(effect: CorrectionEffect): string[] {
  const { ImageCount: images = 0, CorrectBefore: before = 0, CorrectAfter: after = 0, MissedCount: missed = 0, LearnedCount: learned = 0 } = effect;
  const better = effect.MadeCorrect?.length ?? 0;
  const worse = effect.MadeIncorrect?.length ?? 0;
  const out: string[] = [];
  if (images > 0)
    out.push(
      better + worse === 0
        ? `Tried on the ${count(images)} pictures of the training, the corrections change no verdict: ${count(before)} are right.`
        : `Tried on the ${count(images)} pictures of the training, the corrections make ${plural(better, 'verdict')} right and ${count(worse)} wrong: ${count(after)} are right with them, ${count(before)} without.`,
    );
  if (missed > 1)
    out.push(learned === 0 ? 'None of these pictures would have been right because of the others: each shows something of its own.' : `${count(learned)} of the ${count(missed)} pictures would have been right because of the others alone.`);
  return out;
}

/** What a correction does from now on. */
export function promise(isAnomalous: boolean, isPointed: boolean): string {
  if (!isAnomalous) return 'From now on the model calls this picture normal, and others in which the same thing stands out and nothing else.';
  return isPointed
    ? 'From now on the model calls this picture an anomaly, and others that show the same where it stands out at least as much.'
    : 'From now on the model calls this picture an anomaly. Point at the defect and it also finds the same in other pictures.';
}
