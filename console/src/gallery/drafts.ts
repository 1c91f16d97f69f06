// Label changes that are not saved yet, kept in the browser: one record per picture, so that each key press writes only what
// it changed, and a tab that is killed loses nothing.
import { openDatabase } from '../session/storage.ts';
import type { Label } from './rows.ts';

const kKind = 'labels';

export class LabelDrafts {
  /** `scope` says whose changes of which dataset these are. */
  constructor(private readonly scope: string) {}

  private key = (sourceRef: string): IDBValidKey => [kKind, this.scope, sourceRef];
  /** All keys of the scope: an array sorts after every text. */
  private range = () => IDBKeyRange.bound([kKind, this.scope], [kKind, this.scope, []]);

  /** Keeps the labels of some pictures; without a label the record of a picture goes away. */
  async keep(changes: ReadonlyMap<string, Label | undefined>): Promise<void> {
    const store = (await openDatabase()).transaction('drafts', 'readwrite').objectStore('drafts');
    const done = [...changes].map(([sourceRef, label]) => (label === undefined ? store.delete(this.key(sourceRef)) : store.put(label, this.key(sourceRef))));
    await Promise.all([...done, store.transaction.done]);
  }

  async read(): Promise<Map<string, Label>> {
    const store = (await openDatabase()).transaction('drafts').objectStore('drafts');
    const [keys, labels] = await Promise.all([store.getAllKeys(this.range()), store.getAll(this.range())]);
    return new Map(keys.map((key, i) => [(key as string[])[2]!, labels[i] as Label]));
  }

  async clear(): Promise<void> {
    await (await openDatabase()).delete('drafts', this.range());
  }
}
