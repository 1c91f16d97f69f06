// Decides which thumbnails are asked for next: those on the screen first, in packs, few packs at a time. What is wanted now
// counts, and what was wanted a moment ago is forgotten, so that a fast scroll ends with what it ends at.

export const kMostInPack = 128;
const kMostInFlight = 3;
/** A pack should take about this long. A server that must still make the thumbnails gets smaller packs. */
const kPackMilliseconds = 150;
const kRetryMilliseconds = 2000;

export class ThumbnailQueue {
  private wanted: { visible: readonly number[]; ahead: readonly number[] } = { visible: [], ahead: [] };
  private readonly inFlight = new Set<number>();
  private packs = 0;
  private packSize = 32;
  private pausedUntil = 0;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private closed = false;

  /**
   * `load` loads the thumbnails of some rows; `has` tells whether a row needs none, and `isReady` whether it can be shown. If
   * `load` fails, the rows are asked for again after two seconds as long as they are wanted.
   */
  constructor(
    private readonly load: (rows: number[]) => Promise<void>,
    private readonly has: (row: number) => boolean,
    private readonly isReady: (row: number) => boolean,
    private readonly now: () => number = () => performance.now(),
  ) {}

  /** Says what is wanted: the rows on the screen, and those to have at hand, the most urgent first. */
  want(visible: readonly number[], ahead: readonly number[]) {
    this.wanted = { visible, ahead };
    this.pump();
  }

  /** Whether a row is wanted at present. */
  isWanted(row: number): boolean {
    return this.wanted.visible.includes(row) || this.wanted.ahead.includes(row);
  }

  close() {
    this.closed = true;
    clearTimeout(this.timer);
  }

  private pump() {
    if (this.closed) return;
    const wait = this.pausedUntil - this.now();
    if (wait > 0) {
      clearTimeout(this.timer);
      this.timer = setTimeout(() => this.pump(), wait);
      return;
    }
    while (this.packs < kMostInFlight) {
      let pack = this.missing(this.wanted.visible, this.packSize);
      // The rest waits until the screen is whole, and leaves room for what the next movement shows: it takes two of the three packs.
      if (pack.length === 0 && this.packs < kMostInFlight - 1 && this.wanted.visible.every(this.isReady)) pack = this.missing(this.wanted.ahead, this.packSize);
      if (pack.length === 0) return;
      void this.send(pack);
    }
  }

  private missing(rows: readonly number[], most: number): number[] {
    const found: number[] = [];
    for (const row of rows) {
      if (found.length >= most) break;
      if (!this.inFlight.has(row) && !this.has(row)) found.push(row);
    }
    return found;
  }

  private async send(pack: number[]) {
    this.packs++;
    for (const row of pack) this.inFlight.add(row);
    const began = this.now();
    try {
      await this.load(pack);
      const perThumbnail = Math.max(0.01, (this.now() - began) / pack.length);
      const fitting = kPackMilliseconds / perThumbnail;
      this.packSize = Math.round(Math.max(8, Math.min(kMostInPack, (this.packSize + fitting) / 2)));
    } catch {
      this.pausedUntil = this.now() + kRetryMilliseconds;
    } finally {
      this.packs--;
      for (const row of pack) this.inFlight.delete(row);
      this.pump();
    }
  }
}
