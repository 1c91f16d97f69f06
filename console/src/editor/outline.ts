// The outline that polygon and live-wire make: corners, and the line from each to the next.
import type { Point } from './shapes.ts';

/** The line from a corner to a place, without the corner itself. */
export type Connect = (from: Point, to: Point) => Promise<Point[]>;
export const straight: Connect = async (_, to) => [to];

export class Outline {
  private readonly corners: Point[];
  /** `lines[i]` leads from corner i to corner i + 1. */
  private readonly lines: Point[][] = [];
  /** Corners are connected one after another, however fast they are set. */
  private busy: Promise<void> = Promise.resolve();
  private preview: Point[] = [];
  private pointer: Point | null = null;
  private previewing = false;
  private closed = false;

  constructor(
    start: Point,
    private readonly connect: Connect,
    private readonly changed: () => void,
  ) {
    this.corners = [start];
  }

  get start(): Point {
    return this.corners[0]!;
  }
  get count(): number {
    return this.corners.length;
  }

  /** All points up to the last corner. */
  get points(): Point[] {
    return [this.start, ...this.lines.flat()];
  }
  /** The line from the last corner to the pointer. */
  get tail(): Point[] {
    return this.preview;
  }
  get cornerPoints(): readonly Point[] {
    return this.corners;
  }

  add(to: Point): void {
    this.busy = this.busy.then(async () => {
      const line = await this.connect(this.corners.at(-1)!, to);
      if (this.closed) return;
      this.lines.push(line);
      this.corners.push(to);
      this.preview = [];
      this.changed();
    });
  }

  /** Takes back the last corner; the first one stays. */
  removeLast(): void {
    this.busy = this.busy.then(() => {
      if (this.corners.length < 2) return;
      this.corners.pop();
      this.lines.pop();
      this.preview = [];
      this.changed();
    });
  }

  /** Shows the line to the pointer. While one is computed, only the last place of the pointer is kept. */
  moveTo(to: Point): void {
    this.pointer = to;
    if (this.previewing) return;
    this.previewing = true;
    void (async () => {
      while (this.pointer && !this.closed) {
        const target = this.pointer;
        this.pointer = null;
        const corner = this.corners.at(-1)!;
        const line = await this.connect(corner, target).catch(() => [target]);
        if (this.corners.at(-1) === corner) this.preview = line;
        this.changed();
      }
      this.previewing = false;
    })();
  }

  /** Returns the outline, whose last corner a straight line connects with the first: a live-wire would run back along the edge on which it came. */
  async close(): Promise<Point[]> {
    await this.busy;
    this.closed = true;
    return this.points;
  }

  cancel(): void {
    this.closed = true;
  }
}
