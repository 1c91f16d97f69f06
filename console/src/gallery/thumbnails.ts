// The thumbnails of a gallery as images that are loaded and decoded, so that a tile shows one in the frame in which it gets it.
import { isDenied } from '../api/errors.ts';
import type { Thumbnail } from './rows.ts';
import { ThumbnailQueue } from './thumbnail_queue.ts';

/** At 7 kB of base64 each, these are some 30 MB. */
const kMostKept = 4000;

/** An image, or the reason why a picture has none. */
export type Shown = HTMLImageElement | string;

export class Thumbnails {
  /** By row number; the ones used last stand at the end. */
  private readonly kept = new Map<number, Shown>();
  private readonly decoding = new Set<number>();
  private readonly queue: ThumbnailQueue;
  private readonly abort = new AbortController();
  private hasTypical = false;

  constructor(
    private readonly sourceRefOf: (row: number) => string,
    private readonly fetchPack: (sourceRefs: string[], signal: AbortSignal) => Promise<Thumbnail[]>,
    /** Is called when thumbnails have arrived. */
    private readonly onArrival: () => void,
    /** Is called once, with a blurred picture of the kind that the gallery has, which tiles show until they have their own. */
    private readonly onTypical: (address: string) => void,
  ) {
    this.queue = new ThumbnailQueue(
      (rows) => this.load(rows),
      (row) => this.kept.has(row) || this.decoding.has(row),
      (row) => this.kept.has(row),
    );
  }

  get(row: number): Shown | undefined {
    const shown = this.kept.get(row);
    if (shown !== undefined) {
      this.kept.delete(row);
      this.kept.set(row, shown);
    }
    return shown;
  }

  want(visible: readonly number[], ahead: readonly number[]) {
    this.queue.want(visible, ahead);
  }

  close() {
    this.queue.close();
    this.abort.abort();
    this.kept.clear();
  }

  /** Is done when the server has answered; the queue need not wait for the decoding. */
  private async load(rows: number[]): Promise<void> {
    const sourceRefs = rows.map(this.sourceRefOf);
    const thumbnails = await this.fetchPack(sourceRefs, this.abort.signal).catch((error: unknown): Thumbnail[] => {
      if (!isDenied(error)) throw error;
      return sourceRefs.map((sourceRef) => ({ sourceRef, reason: 'Your user may not see this picture.' })); // Asking again would not help.
    });
    // What was scrolled past meanwhile is not decoded, so that it does not keep what is on the screen waiting.
    const answers = new Map(thumbnails.map((answer) => [answer.sourceRef, answer]));
    for (const row of rows) if (this.queue.isWanted(row)) void this.keep(row, answers.get(this.sourceRefOf(row)));
  }

  private async keep(row: number, answer: Thumbnail | undefined): Promise<void> {
    let shown: Shown = answer && 'reason' in answer ? answer.reason : 'The server sent no thumbnail of this picture.';
    if (answer && 'jpeg' in answer) {
      const image = new Image();
      image.alt = '';
      image.draggable = false;
      image.decoding = 'sync';
      image.src = `data:image/jpeg;base64,${answer.jpeg}`;
      this.decoding.add(row);
      shown = await image.decode().then(
        () => image,
        () => 'The thumbnail cannot be shown.',
      );
      this.decoding.delete(row);
    }
    if (this.abort.signal.aborted) return;
    this.kept.set(row, shown);
    if (this.kept.size > kMostKept) this.kept.delete(this.kept.keys().next().value!);
    if (shown instanceof HTMLImageElement && !this.hasTypical) {
      this.hasTypical = true;
      this.onTypical(blurred(shown));
    }
    this.onArrival();
  }
}

/** A few blurred pixels of an image, as an address of their own. */
function blurred(image: HTMLImageElement): string {
  const canvas = document.createElement('canvas');
  [canvas.width, canvas.height] = [8, 6];
  const context = canvas.getContext('2d', { willReadFrequently: true });
  if (!context) return '';
  context.imageSmoothingQuality = 'high';
  context.drawImage(image, 0, 0, canvas.width, canvas.height);
  return canvas.toDataURL();
}
