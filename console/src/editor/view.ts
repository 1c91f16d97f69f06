// How the picture lies on the screen. Screen coordinates are device pixels of the canvas.
import type { Rect } from './plane.ts';
import type { Point } from './shapes.ts';

/** The side of the tiles in which pictures are drawn, in pixels of their level. */
export const kDrawTile = 512;
const kMaxScale = 40;
const kFitMargin = 0.97;

export interface Size {
  width: number;
  height: number;
}

/** Level n of a picture has 1 / 2ⁿ of its sides, rounded up. */
export const levelSize = ({ width, height }: Size, level: number): Size => ({ width: Math.ceil(width / 2 ** level), height: Math.ceil(height / 2 ** level) });

/** The coarsest level that is made: the first whose sides fit into one tile. */
export function lastLevel(size: Size): number {
  let level = 0;
  while (Math.max(levelSize(size, level).width, levelSize(size, level).height) > kDrawTile) ++level;
  return level;
}

export class View {
  /** Device pixels per pixel of the picture. */
  scale = 1;
  /** Where the picture's corner lies on the screen. */
  x = 0;
  y = 0;
  private fitted = true;

  constructor(
    readonly picture: Size,
    private screen: Size,
  ) {
    this.fit();
  }

  get screenSize(): Size {
    return this.screen;
  }

  resize(screen: Size): void {
    const centre = this.toPicture({ x: this.screen.width / 2, y: this.screen.height / 2 });
    this.screen = screen;
    if (this.fitted) return this.fit();
    this.x = screen.width / 2 - centre.x * this.scale;
    this.y = screen.height / 2 - centre.y * this.scale;
    this.clamp();
  }

  private get fitScale() {
    return Math.max(1e-3, Math.min(this.screen.width / this.picture.width, this.screen.height / this.picture.height) * kFitMargin);
  }

  fit(): void {
    this.scale = Math.min(this.fitScale, kMaxScale);
    this.x = Math.round((this.screen.width - this.picture.width * this.scale) / 2);
    this.y = Math.round((this.screen.height - this.picture.height * this.scale) / 2);
    this.fitted = true;
  }

  /** Zooms so that the point of the screen stays where it is. */
  zoomAt(at: Point, factor: number): void {
    const before = this.toPicture(at);
    this.scale = Math.min(kMaxScale, Math.max(Math.min(this.fitScale / 2, 1), this.scale * factor));
    this.x = at.x - before.x * this.scale;
    this.y = at.y - before.y * this.scale;
    this.fitted = false;
    this.clamp();
  }

  pan(dx: number, dy: number): void {
    this.x += dx;
    this.y += dy;
    this.fitted = false;
    this.clamp();
  }

  /** Keeps a part of the picture on the screen. */
  private clamp(): void {
    const keep = 64;
    this.x = Math.round(Math.min(this.screen.width - keep, Math.max(keep - this.picture.width * this.scale, this.x)));
    this.y = Math.round(Math.min(this.screen.height - keep, Math.max(keep - this.picture.height * this.scale, this.y)));
  }

  toPicture({ x, y }: Point): Point {
    return { x: (x - this.x) / this.scale, y: (y - this.y) / this.scale };
  }

  toScreen({ x, y }: Point): Point {
    return { x: x * this.scale + this.x, y: y * this.scale + this.y };
  }

  /** The level whose pixels are drawn at half to full size, or larger than their size if there is no finer one. */
  get level(): number {
    return Math.min(lastLevel(this.picture), Math.max(0, Math.floor(Math.log2(1 / this.scale) + 1e-9)));
  }

  /** Where a rectangle of the picture lies on the screen, on whole device pixels, so that neighbours meet without a seam. */
  screenRect({ x0, y0, x1, y1 }: Rect): Rect {
    return { x0: Math.round(x0 * this.scale + this.x), y0: Math.round(y0 * this.scale + this.y), x1: Math.round(x1 * this.scale + this.x), y1: Math.round(y1 * this.scale + this.y) };
  }

  /** The tiles of a level that are on the screen, within `part` of it if given. */
  visibleTiles(level: number, part: Rect = { x0: 0, y0: 0, x1: this.screen.width, y1: this.screen.height }): { column: number; row: number }[] {
    const side = kDrawTile * 2 ** level;
    const from = this.toPicture({ x: part.x0, y: part.y0 });
    const to = this.toPicture({ x: part.x1, y: part.y1 });
    const tiles = [];
    for (let row = Math.max(0, Math.floor(from.y / side)); row * side < Math.min(to.y, this.picture.height); ++row)
      for (let column = Math.max(0, Math.floor(from.x / side)); column * side < Math.min(to.x, this.picture.width); ++column) tiles.push({ column, row });
    return tiles;
  }

  /** The pixels of the picture that a tile covers. */
  tileRect(level: number, column: number, row: number): Rect {
    const side = kDrawTile * 2 ** level;
    return { x0: column * side, y0: row * side, x1: Math.min((column + 1) * side, this.picture.width), y1: Math.min((row + 1) * side, this.picture.height) };
  }
}
