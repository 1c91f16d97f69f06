// Lines of a dataset (JSON Lines in the form of SageMaker Ground Truth), as UpdateDatasetEntries takes them and
// ListDatasetEntries returns them.
import { isColour, kBackground, kMaxLabelsPerMask, type Label } from './colours.ts';

/** The longest line that a dataset takes, in characters. */
export const kMaxLine = 8192;

export type EntryClass = 'normal' | 'anomaly';

export interface MaskEntry {
  maskRef: string;
  /** In the order of the indices of the mask's colour map, without the background. */
  labels: Label[];
}

export interface Entry {
  sourceRef: string;
  /** Null for an unlabelled picture. */
  class: EntryClass | null;
  mask: MaskEntry | null;
  /** Milliseconds since 1970; NaN if the line does not tell. */
  labelledAt: number;
  line: string;
}

type Json = Record<string, unknown>;
const isObject = (value: unknown): value is Json => typeof value === 'object' && value !== null && !Array.isArray(value);
const kClassType = 'groundtruth/image-classification';
const kMaskType = 'groundtruth/semantic-segmentation';
const isBackground = (name: string) => name.toLowerCase() === 'background';

function parseObject(line: string): Json | null {
  try {
    const value: unknown = JSON.parse(line);
    return isObject(value) ? value : null;
  } catch {
    return null;
  }
}

const classOf = (metadata: Json): EntryClass | null => {
  const name = typeof metadata['class-name'] === 'string' ? metadata['class-name'].toLowerCase() : '';
  return name === 'normal' || name === 'anomaly' ? name : null;
};

function labelsOf(map: unknown): Label[] {
  if (!isObject(map)) return [];
  return Object.entries(map)
    .sort(([a], [b]) => Number(a) - Number(b))
    .flatMap(([, value]) => {
      if (!isObject(value) || typeof value['class-name'] !== 'string' || isBackground(value['class-name'])) return [];
      return isColour(value['hex-color']) ? [{ name: value['class-name'], colour: value['hex-color'] }] : [];
    });
}

/** Reads a line as the server does: a person's label counts before a model's, then the first one. Null if it is no line of a dataset. */
export function parseEntry(line: string): Entry | null {
  const json = parseObject(line);
  if (!json || typeof json['source-ref'] !== 'string') return null;
  const entry: Entry = { sourceRef: json['source-ref'], class: null, mask: null, labelledAt: NaN, line };
  let byHuman = false;
  for (const [name, metadata] of Object.entries(json)) {
    if (!name.endsWith('-metadata') || !isObject(metadata)) continue;
    const attribute = name.slice(0, -'-metadata'.length);
    if (metadata.type === kClassType) {
      const human = String(metadata['human-annotated']).toLowerCase() !== 'no';
      const found = classOf(metadata);
      if (!found || (entry.class && (byHuman || !human))) continue;
      entry.class = found;
      byHuman = human;
      entry.labelledAt = typeof metadata['creation-date'] === 'string' ? Date.parse(metadata['creation-date'].replace(/(:\d\d(?:\.\d+)?)$/, '$1Z')) : NaN;
    } else if (metadata.type === kMaskType && !entry.mask && typeof json[attribute] === 'string') {
      const labels = labelsOf(metadata['internal-color-map']);
      if (labels.length) entry.mask = { maskRef: json[attribute], labels };
    }
  }
  return entry;
}

/** What of a line is neither label nor mask: members of the user's own, which a new label must not lose. */
function others(previous: string | undefined): Json {
  const json = previous === undefined ? null : parseObject(previous);
  if (!json) return {};
  const dropped = new Set(['source-ref', 'anomaly-label', 'anomaly-label-metadata', 'anomaly-mask-ref', 'anomaly-mask-ref-metadata']);
  for (const [name, value] of Object.entries(json)) {
    if (!isObject(value) || !name.endsWith('-metadata') || (value.type !== kClassType && value.type !== kMaskType)) continue;
    dropped.add(name).add(name.slice(0, -'-metadata'.length));
  }
  return Object.fromEntries(Object.entries(json).filter(([name]) => !dropped.has(name)));
}

function finish(members: Json, previous: string | undefined): string {
  const line = JSON.stringify({ ...members, ...others(previous) });
  if ([...line].length <= kMaxLine) return line;
  const short = JSON.stringify(members);
  if ([...short].length > kMaxLine) throw new Error('The names of the picture and its labels are too long for one line of a dataset.');
  return short;
}

const label = (name: EntryClass, now: Date): Json => ({
  'anomaly-label': name === 'anomaly' ? 1 : 0,
  'anomaly-label-metadata': {
    'class-name': name,
    confidence: 1,
    type: kClassType,
    'human-annotated': 'yes',
    'creation-date': now.toISOString().slice(0, -1),
    'job-name': 'labeling-job/console',
  },
});

/** `previous` is the line that the new one replaces; its members that are no labels are kept. */
export interface LineOptions {
  previous?: string;
  now?: Date;
}

/** The line of a normal picture. */
export const normalLine = (sourceRef: string, { previous, now = new Date() }: LineOptions = {}) => finish({ 'source-ref': sourceRef, ...label('normal', now) }, previous);

/** The line of an anomalous picture without a mask. */
export const anomalyLine = (sourceRef: string, { previous, now = new Date() }: LineOptions = {}) => finish({ 'source-ref': sourceRef, ...label('anomaly', now) }, previous);

/** The line of a picture whose label was taken away. */
export const unlabelledLine = (sourceRef: string, { previous }: LineOptions = {}) => finish({ 'source-ref': sourceRef }, previous);

/**
 * The line of an anomalous picture with a mask. `labels` are those that the mask may hold, at most 20 of different colours;
 * they get the indices from 1 on, and index 0 is the background.
 */
export function segmentationLine(sourceRef: string, maskRef: string, labels: readonly Label[], { previous, now = new Date() }: LineOptions = {}): string {
  if (labels.length < 1 || labels.length > kMaxLabelsPerMask) throw new Error(`A mask has 1 to ${kMaxLabelsPerMask} labels.`);
  const entries = [kBackground, ...labels].map(({ name, colour }, index) => [String(index), { 'class-name': name, 'hex-color': colour, confidence: 1 }]);
  const mask = {
    'anomaly-mask-ref': maskRef,
    'anomaly-mask-ref-metadata': {
      'internal-color-map': Object.fromEntries(entries),
      type: kMaskType,
      'human-annotated': 'yes',
      'creation-date': now.toISOString().slice(0, -1),
      'job-name': 'labeling-job/console',
    },
  };
  return finish({ 'source-ref': sourceRef, ...label('anomaly', now), ...mask }, previous);
}

/** The line of a picture with the label and the mask of another one, such as of the one before. */
export function copiedLine(sourceRef: string, from: Entry, options: LineOptions = {}): string {
  if (from.class === null) return unlabelledLine(sourceRef, options);
  if (from.class === 'normal') return normalLine(sourceRef, options);
  return from.mask ? segmentationLine(sourceRef, from.mask.maskRef, from.mask.labels, options) : anomalyLine(sourceRef, options);
}

/** The line with other names for labels of its masks, or null if it has none of them. Colours, indices and all else stay. */
export function renamedLine(line: string, names: ReadonlyMap<string, string>): string | null {
  const json = parseObject(line);
  if (!json) return null;
  let isChanged = false;
  for (const metadata of Object.values(json)) {
    if (!isObject(metadata) || metadata.type !== kMaskType || !isObject(metadata['internal-color-map'])) continue;
    for (const entry of Object.values(metadata['internal-color-map'])) {
      const name = isObject(entry) && typeof entry['class-name'] === 'string' ? names.get(entry['class-name']) : undefined;
      if (name === undefined) continue;
      (entry as Json)['class-name'] = name;
      isChanged = true;
    }
  }
  if (!isChanged) return null;
  const renamed = JSON.stringify(json);
  if ([...renamed].length > kMaxLine) throw new Error(`With the new names the line of ${String(json['source-ref'])} has more than ${kMaxLine} characters.`);
  return renamed;
}

/** Splits lines into calls of UpdateDatasetEntries, each below the limit of 10 MiB. */
export function changesOf(lines: readonly string[], limit = 8 << 20): string[] {
  const calls: string[] = [];
  const encoder = new TextEncoder();
  let size = 0;
  let from = 0;
  lines.forEach((line, i) => {
    const bytes = encoder.encode(line).length + 1;
    if (size + bytes > limit && i > from) {
      calls.push(lines.slice(from, i).join('\n'));
      from = i;
      size = 0;
    }
    size += bytes;
  });
  if (from < lines.length) calls.push(lines.slice(from).join('\n'));
  return calls;
}
