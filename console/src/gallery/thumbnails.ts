// The thumbnails of a gallery as images that are loaded and decoded, so that a tile shows one in the frame in which it gets it.
import type { Thumbnail } from './rows.ts';
import { ThumbnailQueue } from './thumbnail_queue.ts';

/** At 5 kB each, these are some 20 MB. */
const kMostKept = 4000;

/** An image, or the reason why a picture has none. */
export type Shown = HTMLImageElement | string;

export class Thumbnails {
  /** By row number; the ones used last stand at the end. */
  private readonly kept = new Map<number, Shown>();
  private readonly queue: ThumbnailQueue;
  private readonly abort = new AbortController();

  constructor(
    private readonly sourceRefOf: (row: number) => string,
    private readonly fetchPack: (sourceRefs: string[], signal: AbortSignal) => Promise<Thumbnail[]>,
    /** Is called when thumbnails have arrived. */
    private readonly onArrival: () => void,
    /** Is called with the mean colour of a picture, which tiles without a picture may show. */
    private readonly onColour: (colour: string) => void,
  ) {
    this.queue = new ThumbnailQueue(
      (rows) => this.load(rows),
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

  private async load(rows: number[]): Promise<void> {
    const answers = new Map((await this.fetchPack(rows.map(this.sourceRefOf), this.abort.signal)).map((answer) => [answer.sourceRef, answer]));
    await Promise.all(rows.map((row) => this.keep(row, answers.get(this.sourceRefOf(row)))));
    const image = rows.map((row) => this.kept.get(row)).find((shown) => shown instanceof HTMLImageElement);
    if (image) this.onColour(meanColour(image));
    this.onArrival();
  }

  private async keep(row: number, answer: Thumbnail | undefined): Promise<void> {
    let shown: Shown = answer && 'reason' in answer ? answer.reason : 'The server sent no thumbnail of this picture.';
    if (answer && 'jpeg' in answer) {
      const image = new Image();
      image.alt = '';
      image.draggable = false;
      image.decoding = 'sync';
      const url = URL.createObjectURL(answer.jpeg);
      image.src = url;
      shown = await image.decode().then(
        () => image,
        () => 'The thumbnail cannot be shown.',
      );
      URL.revokeObjectURL(url); // The image keeps what it has loaded.
    }
    if (this.abort.signal.aborted) return;
    this.kept.set(row, shown);
    if (this.kept.size > kMostKept) this.kept.delete(this.kept.keys().next().value!);
    this.onArrival();
  }
}

const pixel = document.createElement('canvas');
pixel.width = pixel.height = 1;
const context = pixel.getContext('2d', { willReadFrequently: true });

function meanColour(image: HTMLImageElement): string {
  if (!context) return '';
  context.imageSmoothingQuality = 'high';
  context.drawImage(image, 0, 0, 1, 1);
  const [red, green, blue] = context.getImageData(0, 0, 1, 1).data;
  return `rgb(${red} ${green} ${blue})`;
}
