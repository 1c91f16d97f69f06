// Remedies that are not saved yet. The tab keeps them, so that neither a look at another page nor a reload loses them.
import type { PictureChange } from './findings.ts';

type Changes = ReadonlyMap<string, PictureChange>;
const nameOf = (scope: string) => `doctor ${scope}`;

/** `scope` says whose changes of which project these are. What cannot be read is as good as nothing. */
export function readChanges(scope: string, storage: Pick<Storage, 'getItem'>): Changes {
  try {
    return new Map(JSON.parse(storage.getItem(nameOf(scope)) ?? '[]') as [string, PictureChange][]);
  } catch {
    return new Map();
  }
}

export function keepChanges(scope: string, changes: Changes, storage: Pick<Storage, 'setItem' | 'removeItem'>): void {
  try {
    if (changes.size === 0) storage.removeItem(nameOf(scope));
    else storage.setItem(nameOf(scope), JSON.stringify([...changes]));
  } catch {
    // A browser that keeps nothing, or not so much, still lets a person save what the page shows.
  }
}
