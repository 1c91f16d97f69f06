// Numbers and times as people read them.
const whole = new Intl.NumberFormat('en');
const dateTime = new Intl.DateTimeFormat('en', { dateStyle: 'medium', timeStyle: 'short' });

export const count = (value: number | undefined) => (value === undefined ? '–' : whole.format(value));
export const percent = (share: number | undefined, digits = 1) => (share === undefined || Number.isNaN(share) ? '–' : `${(100 * share).toFixed(digits)} %`);
/** Seconds since 1970, as the APIs write times. */
export const time = (seconds: number | undefined) => (seconds === undefined ? '–' : dateTime.format(new Date(seconds * 1000)));
export const plural = (value: number, one: string, many = `${one}s`) => `${count(value)} ${value === 1 ? one : many}`;

export function bytes(value: number): string {
  const units = ['bytes', 'kB', 'MB', 'GB'];
  let unit = 0;
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1000;
    unit++;
  }
  return `${value.toFixed(unit === 0 || value >= 100 ? 0 : 1)} ${units[unit]}`;
}

/** How long something takes, roughly: "40 s", "6 min", "2 h". */
export function duration(seconds: number): string {
  if (seconds < 90) return `${Math.max(1, Math.round(seconds))} s`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} min`;
  return `${(seconds / 3600).toFixed(1)} h`;
}
