// Which rows a gallery shows, and in which order.
import { kAnomaly, kNormal, kUnlabelled, type GalleryRow, type Label } from './rows.ts';

/** `label:NAME` shows the pictures that hold the anomaly label NAME. */
export type Filter = 'all' | 'unlabelled' | 'labelled' | 'normal' | 'anomaly' | 'edited' | 'wrong' | 'right' | `label:${string}`;
export type Order = 'dataset' | 'name' | 'newest' | 'oldest' | 'confident' | 'unsure' | 'score' | 'disagreement';

export interface Query {
  search: string;
  filter: Filter;
  order: Order;
  /** Shows only some of these, such as those of a cell of a table. The title says which. */
  only?: { title: string; has(row: GalleryRow): boolean };
}

export const kEverything: Query = { search: '', filter: 'all', order: 'dataset' };

/** What a person has done in the gallery so far, by row number. */
export interface LabelsOfRows {
  labelOf(row: number): Label;
  isEdited(row: number): boolean;
}

export function matches(filter: Filter, row: GalleryRow, label: Label, isEdited: boolean): boolean {
  switch (filter) {
    case 'all':
      return true;
    case 'unlabelled':
      return label === kUnlabelled;
    case 'labelled':
      return label !== kUnlabelled;
    case 'normal':
      return label === kNormal;
    case 'anomaly':
      return label === kAnomaly;
    case 'edited':
      return isEdited;
    case 'wrong':
      return isCorrect(row, label) === false;
    case 'right':
      return isCorrect(row, label) === true;
    default:
      return row.anomalyLabels.includes(filter.slice('label:'.length));
  }
}

/** Whether the verdict of the model is the label; undefined if one of the two is missing. */
export function isCorrect({ verdict }: GalleryRow, label: Label): boolean | undefined {
  return verdict && label ? verdict === label : undefined;
}

/**
 * How much the model and the label contradict each other, 0 … 1: the confidence in a verdict that is not the label, and one
 * minus the confidence in a verdict that is. -1 if one of the two is missing.
 */
export function disagreement(row: GalleryRow, label: Label): number {
  const isRight = isCorrect(row, label);
  if (isRight === undefined) return -1;
  const confidence = row.confidence ?? 1;
  return isRight ? 1 - confidence : confidence;
}

const collator = new Intl.Collator('en', { numeric: true, sensitivity: 'base' });

/** The row numbers that a query shows, in its order. Rows that compare as equal, or lack what is compared, keep the order of the source, the latter at the end. */
export function arrange(rows: readonly GalleryRow[], labels: LabelsOfRows, { search, filter, order, only }: Query): number[] {
  const wanted = search.trim().toLowerCase();
  const view: number[] = [];
  rows.forEach((row, number) => {
    if (!matches(filter, row, labels.labelOf(number), labels.isEdited(number))) return;
    if (only && !only.has(row)) return;
    if (wanted && !row.name.toLowerCase().includes(wanted)) return;
    view.push(number);
  });
  if (order === 'dataset') return view;
  if (order === 'name') return view.sort((a, b) => collator.compare(rows[a]!.name, rows[b]!.name) || a - b);
  const keys = new Float64Array(rows.length);
  for (const number of view) keys[number] = keyOf(order, rows[number]!, labels.labelOf(number));
  return view.sort((a, b) => {
    const [x, y] = [keys[a]!, keys[b]!];
    return x === y ? a - b : y - x;
  });
}

/** The larger, the earlier. */
function keyOf(order: Exclude<Order, 'dataset' | 'name'>, row: GalleryRow, label: Label): number {
  const value = {
    newest: row.date,
    oldest: row.date === undefined ? undefined : -row.date,
    confident: row.confidence,
    unsure: row.confidence === undefined ? undefined : -row.confidence,
    score: row.score,
    disagreement: disagreement(row, label),
  }[order];
  return value === undefined || Number.isNaN(value) ? -Infinity : value;
}

/** The anomaly labels that occur, in the order of the alphabet, with the number of their pictures. */
export function anomalyLabelsOf(rows: readonly GalleryRow[]): [string, number][] {
  const counts = new Map<string, number>();
  for (const row of rows) for (const label of row.anomalyLabels) counts.set(label, (counts.get(label) ?? 0) + 1);
  return [...counts].sort(([a], [b]) => collator.compare(a, b));
}
