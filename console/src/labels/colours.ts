// The colours of anomaly labels: one fixed palette by the order of the labels, unless entries of the dataset name others.

/** Far from each other, from white (the background of masks) and from black, on light and on dark pictures. */
export const kPalette = [
  '#e6194b', '#3cb44b', '#4363d8', '#f58231', '#911eb4', '#00c8d7', '#f032e6', '#b5d800', '#ff8fa8', '#008080',
  '#b088f9', '#9a6324', '#ffc800', '#800000', '#66e0a3', '#808000', '#e0a26b', '#00307a', '#1e8fff', '#6b6b6b',
] as const;

export const kBackground = { name: 'BACKGROUND', colour: '#ffffff' } as const;

/** The most labels that one mask, and one project, may have. */
export const kMaxLabelsPerMask = 20;
export const kMaxLabelsPerProject = 100;

export interface Label {
  name: string;
  /** `#rrggbb` */
  colour: string;
}

export type Rgb = [number, number, number];

export const isColour = (text: unknown): text is string => typeof text === 'string' && /^#[0-9a-f]{6}$/i.test(text);

/** `colour` is `#rrggbb`. */
export function rgbOf(colour: string): Rgb {
  const value = parseInt(colour.slice(1), 16);
  return [value >> 16, (value >> 8) & 255, value & 255];
}

export const colourOf = ([r, g, b]: Rgb) => `#${[r, g, b].map((v) => v.toString(16).padStart(2, '0')).join('')}`;

/** White is the background of every mask that the console writes. */
const isUsable = (colour: string) => colour.toLowerCase() !== kBackground.colour;

/** A colour for one more label: the first of the palette that none of `taken` has; after the palette, mixed ones. */
export function nextColour(taken: Iterable<string>): string {
  const used = new Set([...taken].map((colour) => colour.toLowerCase()));
  for (const colour of kPalette) if (!used.has(colour)) return colour;
  // Steps of the golden angle around the circle of hues do not come near each other for long.
  for (let i = 0; ; ++i) {
    const hue = (i * 137.508) % 360;
    const light = [0.45, 0.62, 0.3][Math.floor(i / 60) % 3]!;
    const part = (n: number) => {
      const k = (n + hue / 30) % 12;
      return Math.round(255 * (light - 0.75 * Math.min(light, 1 - light) * Math.max(-1, Math.min(k - 3, 9 - k, 1))));
    };
    const colour = colourOf([part(0), part(8), part(4)]);
    if (!used.has(colour)) return colour;
  }
}

/**
 * Joins the labels of many entries into the labels of a project: a label has the colour in which it is seen first. A label
 * without a usable colour of its own gets one of the palette.
 */
export function joinLabels(lists: Iterable<readonly Label[]>): Label[] {
  const labels = new Map<string, string>();
  for (const list of lists) for (const { name, colour } of list) if (!labels.has(name)) labels.set(name, isColour(colour) ? colour : '');
  const taken = new Set<string>();
  const rejected: string[] = [];
  for (const [name, colour] of labels) {
    if (!colour || !isUsable(colour) || taken.has(colour.toLowerCase())) rejected.push(name);
    else taken.add(colour.toLowerCase());
  }
  for (const name of rejected) {
    const colour = nextColour(taken);
    taken.add(colour);
    labels.set(name, colour);
  }
  return [...labels].map(([name, colour]) => ({ name, colour }));
}

/** Says why a name cannot be that of a new label; empty if it can. */
export function problemOfName(name: string, labels: readonly Label[]): string {
  if (!/^[a-zA-Z0-9]{1,256}$/.test(name)) return 'A label has 1 to 256 letters and digits, without spaces.';
  if (['background', 'normal', 'anomaly'].includes(name.toLowerCase())) return `"${name}" has a meaning of its own; take another name.`;
  if (labels.some((label) => label.name.toLowerCase() === name.toLowerCase())) return 'There is such a label.';
  if (labels.length >= kMaxLabelsPerProject) return `A project has at most ${kMaxLabelsPerProject} labels.`;
  return '';
}
