// How the picture is shown. Nothing of it reaches the file.

export interface Filters {
  /** −1 … 1 */
  brightness: number;
  /** −1 … 1 */
  contrast: number;
  /** 0.2 … 5; above 1 dark places become brighter. */
  gamma: number;
  channel: 'all' | 'red' | 'green' | 'blue';
  /** The engine's light normalisation. */
  light: boolean;
}

export const kNoFilters: Filters = { brightness: 0, contrast: 0, gamma: 1, channel: 'all', light: false };

/** Whether the drawn picture must go through a filter; the light normalisation is part of its tiles. */
export const isFiltered = ({ brightness, contrast, gamma, channel }: Filters) => brightness !== 0 || contrast !== 0 || gamma !== 1 || channel !== 'all';

/** What becomes of the values 0, 1/255 … 1: first gamma, then contrast around the middle, then brightness. */
export function toneTable({ brightness, contrast, gamma }: Filters): number[] {
  const slope = contrast < 0 ? 1 + contrast : 1 / Math.max(0.02, 1 - contrast);
  return Array.from({ length: 256 }, (_, i) => Math.min(1, Math.max(0, ((i / 255) ** (1 / gamma) - 0.5) * slope + 0.5 + brightness)));
}

/** The matrix of an feColorMatrix that shows one channel as grey. */
export function channelMatrix(channel: Filters['channel']): string {
  const rows = { all: ['1 0 0', '0 1 0', '0 0 1'], red: ['1 0 0', '1 0 0', '1 0 0'], green: ['0 1 0', '0 1 0', '0 1 0'], blue: ['0 0 1', '0 0 1', '0 0 1'] }[channel];
  return [...rows.map((row) => `${row} 0 0`), '0 0 0 1 0'].join(' ');
}
