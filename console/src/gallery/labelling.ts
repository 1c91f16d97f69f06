// The labels of a gallery while a person works on them: those saved, those changed since, and the steps to take back.
import { kAnomaly, kNormal, kUnlabelled, type GalleryRow, type Label } from './rows.ts';
import type { LabelsOfRows } from './view.ts';

interface Step {
  /** Row numbers with the labels before. */
  before: Map<number, Label>;
  /** The row to go back to. */
  focus: number;
}

export interface Counts {
  total: number;
  labelled: number;
  unlabelled: number;
  /** The unlabelled rows that can be given a label. */
  left: number;
  normal: number;
  anomaly: number;
  edited: number;
}

export class Labelling implements LabelsOfRows {
  private saved: Label[] = [];
  private current: Label[] = [];
  private readonly editedRows = new Set<number>();
  /** The rows whose labels cannot be changed. */
  private readonly fixed = new Set<number>();
  private steps: Step[] = [];
  /** The label that was given last. */
  last: Label | undefined;

  /** Takes the labels of rows that were loaded. */
  add(rows: readonly GalleryRow[]) {
    for (const row of rows) {
      if (row.isFixed) this.fixed.add(this.current.length);
      this.saved.push(row.label);
      this.current.push(row.label);
    }
  }

  labelOf(row: number): Label {
    return this.current[row] ?? kUnlabelled;
  }

  isEdited(row: number): boolean {
    return this.editedRows.has(row);
  }

  get canUndo() {
    return this.steps.length > 0;
  }

  /** The rows whose labels are not saved, in the order of the source. */
  edited(): number[] {
    return [...this.editedRows].sort((a, b) => a - b);
  }

  counts(): Counts {
    const number = [0, 0, 0];
    for (const label of this.current) number[label]!++;
    const [unlabelled, normal, anomaly] = [number[kUnlabelled]!, number[kNormal]!, number[kAnomaly]!];
    const left = unlabelled - [...this.fixed].filter((row) => this.current[row] === kUnlabelled).length;
    return { total: this.current.length, labelled: normal + anomaly, unlabelled, left, normal, anomaly, edited: this.editedRows.size };
  }

  /** Gives rows a label, as one step. Returns the rows whose label changed. */
  give(rows: readonly number[], label: Label, focus: number): number[] {
    this.last = label;
    return this.change(new Map(rows.map((row) => [row, label])), focus);
  }

  /** Gives each row its label, but for those whose labels are fixed, as one step, and returns the rows whose label changed. */
  change(labels: ReadonlyMap<number, Label>, focus: number): number[] {
    const before = new Map<number, Label>();
    for (const [row, label] of labels) {
      if (row >= this.current.length || this.fixed.has(row) || this.current[row] === label) continue;
      before.set(row, this.current[row]!);
      this.set(row, label);
    }
    if (before.size) this.steps.push({ before, focus });
    return [...before.keys()];
  }

  /** Takes the last step back. Returns the rows that changed and the row to go back to. */
  undo(): { rows: number[]; focus: number } | undefined {
    const step = this.steps.pop();
    if (!step) return undefined;
    for (const [row, label] of step.before) this.set(row, label);
    return { rows: [...step.before.keys()], focus: step.focus };
  }

  /** Goes back to the saved labels, as one step. */
  discard(focus: number): number[] {
    return this.change(new Map(this.edited().map((row) => [row, this.saved[row]!])), focus);
  }

  /** Learns that labels were saved, which may have been changed again meanwhile. */
  markSaved(labels: ReadonlyMap<number, Label>) {
    for (const [row, label] of labels) {
      this.saved[row] = label;
      this.set(row, this.current[row]!);
    }
  }

  /** The place of the next picture of a view that is left to label after a place, from the beginning again after the end; -1 if there is none. */
  nextUnlabelled(view: readonly number[], after: number): number {
    for (let i = 1; i <= view.length; i++) {
      const position = (after + i) % view.length;
      if (this.labelOf(view[position]!) === kUnlabelled && !this.fixed.has(view[position]!)) return position;
    }
    return -1;
  }

  private set(row: number, label: Label) {
    this.current[row] = label;
    if (label === this.saved[row]) this.editedRows.delete(row);
    else this.editedRows.add(row);
  }
}

const kLongestPause = 60_000;
const kRemembered = 30;

/** How fast a person labels, from the times between the last labels. Pauses of more than a minute do not count. */
export class Pace {
  private steps: { milliseconds: number; pictures: number }[] = [];
  private last = NaN;

  /** Learns that `pictures` pictures were labelled at `now`, in milliseconds. */
  note(now: number, pictures: number) {
    const milliseconds = now - this.last;
    if (milliseconds <= kLongestPause && pictures > 0) this.steps.push({ milliseconds, pictures });
    this.steps = this.steps.slice(-kRemembered);
    this.last = now;
  }

  /** The seconds that so many pictures will take; undefined before five labels. */
  secondsFor(pictures: number): number | undefined {
    if (this.steps.length < 4) return undefined;
    const sum = (of: 'milliseconds' | 'pictures') => this.steps.reduce((total, step) => total + step[of], 0);
    return ((sum('milliseconds') / sum('pictures')) * pictures) / 1000;
  }
}
