// Everything that a gallery knows, outside of React: rows by number, labels, the view and what is chosen. Whoever shows it
// subscribes to changes.
import { useSyncExternalStore } from 'react';
import { Labelling, Pace } from './labelling.ts';
import { kAnomaly, kUnlabelled, type GalleryRow, type GallerySource, type Label } from './rows.ts';
import { Selection } from './selection.ts';
import { arrange, kEverything, matches, type Query } from './view.ts';

const kFirstPage = 400;
const kPage = 5000;

export class GalleryModel {
  readonly rows: GalleryRow[] = [];
  readonly labels = new Labelling();
  readonly selection = new Selection();
  readonly pace = new Pace();
  query: Query = kEverything;
  /** The row numbers that are shown. They stay as they are while labels change, so that nothing moves under a person's hands. */
  view: number[] = [];
  /** The number of rows at the source; undefined until it has answered. */
  total: number | undefined;
  error: unknown;
  /** Whether the picture with the focus must still be scrolled to. */
  mustReveal = false;
  /** Grows with each change. */
  version = 0;
  private readonly listeners = new Set<() => void>();
  private readonly abort = new AbortController();
  private loading = false;

  constructor(
    readonly source: GallerySource,
    /** Learns which rows got another label, each time. */
    private readonly onLabels: (rows: readonly number[]) => void = () => {},
  ) {}

  subscribe = (listener: () => void) => {
    this.listeners.add(listener);
    return () => void this.listeners.delete(listener);
  };

  changed() {
    this.version++;
    for (const listener of this.listeners) listener();
  }

  get isComplete() {
    return this.total !== undefined && this.rows.length >= this.total;
  }

  /**
   * Loads all rows: a few at first, which are shown at once, and then the rest. Called again, it loads what the source has more
   * by then, and after an error it goes on where it stopped.
   */
  async load(): Promise<void> {
    if (this.loading) return;
    this.loading = true;
    this.error = undefined;
    try {
      do {
        const count = this.rows.length === 0 ? kFirstPage : kPage;
        const { total, rows } = await this.source.list(this.rows.length, count, this.abort.signal);
        if (this.abort.signal.aborted) return;
        // A source that promises more than it has would be asked for ever.
        this.total = rows.length === 0 ? this.rows.length : Math.max(total, this.rows.length + rows.length);
        for (const row of rows) this.rows.push(row);
        this.labels.add(rows);
        this.arrange();
      } while (!this.isComplete);
    } catch (error) {
      if (this.abort.signal.aborted) return;
      this.error = error;
      this.changed();
    } finally {
      this.loading = false;
    }
  }

  /** Goes to a picture, if it is shown, and has it scrolled to. */
  goTo(sourceRef: string) {
    const number = this.view.find((row) => this.rows[row]!.sourceRef === sourceRef);
    if (number === undefined) return;
    this.selection.moveTo(this.selection.positionOf(number));
    this.mustReveal = true;
    this.changed();
  }

  close() {
    this.abort.abort();
    this.listeners.clear();
  }

  ask(query: Partial<Query>) {
    this.query = { ...this.query, ...query };
    this.arrange();
  }

  /** Says something else of the same pictures, which come in the order of the source, such as the verdicts by another threshold. Labels stay. */
  revise(rows: readonly GalleryRow[]) {
    for (let i = 0; i < this.rows.length && i < rows.length; i++) this.rows[i] = rows[i]!;
    this.arrange();
  }

  /** Shows again what the query asks for. */
  arrange() {
    this.view = arrange(this.rows, this.labels, this.query);
    this.selection.show(this.view);
    this.changed();
  }

  /** The number of pictures shown that the filter would hide by now, because their labels were changed. */
  get outdated(): number {
    const { filter } = this.query;
    if (filter === 'all') return 0;
    return this.view.filter((row) => !matches(filter, this.rows[row]!, this.labels.labelOf(row), this.labels.isEdited(row))).length;
  }

  /** Labels what is chosen. With `advance`, the focus goes on to the next unlabelled picture of the view. */
  label(label: Label, { advance }: { advance: boolean }, now = performance.now()) {
    const { selection } = this;
    const targets = selection.targets();
    if (targets.length === 0) return;
    const changed = this.labels.give(targets, label, selection.focus);
    if (label !== kUnlabelled) this.pace.note(now, targets.length);
    if (advance) {
      const next = this.labels.nextUnlabelled(this.view, selection.positionOf(targets.at(-1)!));
      selection.moveTo(next >= 0 ? next : selection.positionOf(targets.at(-1)!));
    }
    this.onLabels(changed);
    this.changed();
  }

  /** Gives each row a label of its own. The focus stays. */
  change(labels: ReadonlyMap<number, Label>) {
    this.onLabels(this.labels.change(labels, this.selection.focus));
    this.changed();
  }

  repeat() {
    if (this.labels.last !== undefined) this.label(this.labels.last, { advance: true });
  }

  /** Takes the last labels back and returns to their picture, which is shown even if the filter hides it. */
  undo() {
    const step = this.labels.undo();
    if (!step) return;
    if (this.selection.positionOf(step.focus) < 0) {
      this.query = { ...this.query, filter: 'all', search: '', only: undefined };
      this.arrange();
    }
    this.selection.moveTo(this.selection.positionOf(step.focus));
    this.onLabels(step.rows);
    this.changed();
  }

  discard() {
    this.onLabels(this.labels.discard(this.selection.focus));
    this.changed();
  }

  /** Takes over labels from a draft. Returns the number of pictures that have another label now. */
  restore(labels: ReadonlyMap<string, Label>): number {
    const byRow = new Map<number, Label>();
    this.rows.forEach((row, number) => {
      const label = labels.get(row.sourceRef);
      if (label !== undefined && !this.labels.isEdited(number)) byRow.set(number, label);
    });
    const changed = this.labels.change(byRow, this.selection.focus);
    // Also of those that the source has by now, so that their drafts go away.
    this.onLabels([...byRow.keys()]);
    this.changed();
    return changed.length;
  }

  /** Learns that the source holds these labels now. What is not anomalous has lost its mask and its anomaly labels, unless these are what a model said. */
  markSaved(labels: ReadonlyMap<number, Label>) {
    this.labels.markSaved(labels);
    for (const [number, label] of labels) {
      const row = this.rows[number]!;
      if (label !== kAnomaly && row.verdict === undefined) this.rows[number] = { ...row, label, maskRef: undefined, anomalyLabels: [] };
    }
    this.onLabels([...labels.keys()]);
    this.changed();
  }
}

/** Shows a component again whenever the gallery changes. */
export function useGallery(model: GalleryModel): number {
  return useSyncExternalStore(model.subscribe, () => model.version);
}
