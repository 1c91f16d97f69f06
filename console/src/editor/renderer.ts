// Draws the picture and the mask on two canvases that lie on each other, so that a stroke redraws only what it changed.
import { rgbOf } from '../labels/colours.ts';
import { kTile, type Plane, type Rect } from './plane.ts';
import { kDrawTile, lastLevel, levelSize, type View } from './view.ts';
import type { Look } from './worker.ts';

/** Tiles of the picture that are kept; each takes up to 1 MB. */
const kMostTiles = 180;

interface MaskTile {
  context: OffscreenCanvasRenderingContext2D;
  isEmpty: boolean;
}

export class Renderer {
  private readonly picture: CanvasRenderingContext2D;
  private readonly mask: CanvasRenderingContext2D;
  private readonly tiles = new Map<string, ImageBitmap>();
  private readonly asked = new Set<string>();
  private maskTiles = new Map<string, MaskTile>();
  private maskLevel = -1;
  /** Colours of the label numbers, as the bytes of RGBA; 0 is clear. */
  private colours = new Uint32Array(256);
  private look: Look = 'plain';
  private viewChanged = true;
  private tilesChanged = true;
  private closed = false;

  constructor(
    pictureCanvas: HTMLCanvasElement,
    maskCanvas: HTMLCanvasElement,
    private readonly plane: Plane,
    private readonly view: View,
    private readonly loadTile: (look: Look, level: number, column: number, row: number) => Promise<ImageBitmap>,
    private readonly wake: () => void,
  ) {
    this.picture = pictureCanvas.getContext('2d')!;
    this.mask = maskCanvas.getContext('2d')!;
  }

  close(): void {
    this.closed = true;
    for (const tile of this.tiles.values()) tile.close();
    this.tiles.clear();
  }

  setColours(colours: readonly string[]): void {
    this.colours = new Uint32Array(256);
    colours.forEach((colour, i) => {
      const [r, g, b] = rgbOf(colour);
      if (i < 255) this.colours[i + 1] = (0xff000000 | (b << 16) | (g << 8) | r) >>> 0;
    });
    this.maskTiles.clear();
    this.changeView();
  }

  setLook(look: Look): void {
    this.look = look;
    this.tilesChanged = true;
    this.wake();
  }

  /** Must be called when the view or its screen changed. */
  changeView(): void {
    this.viewChanged = true;
    this.wake();
  }

  /** Whether every visible tile is drawn in its own level. */
  get isComplete(): boolean {
    return this.view.visibleTiles(this.view.level).every(({ column, row }) => this.tiles.has(this.key(this.view.level, column, row)));
  }

  /** Draws what changed. */
  draw(): void {
    const dirty = this.plane.takeDirty();
    if (this.viewChanged) {
      const { width, height } = this.view.screenSize;
      for (const { canvas } of [this.picture, this.mask])
        if (canvas.width !== width || canvas.height !== height) {
          canvas.width = width;
          canvas.height = height;
        }
    }
    if (this.viewChanged || this.tilesChanged) this.drawPicture();
    this.drawMask(dirty);
    this.viewChanged = false;
    this.tilesChanged = false;
  }

  private key = (level: number, column: number, row: number) => `${this.look}/${level}/${column}/${row}`;

  private drawPicture(): void {
    const { picture, view } = this;
    const { width, height } = view.screenSize;
    const all = view.screenRect({ x0: 0, y0: 0, x1: view.picture.width, y1: view.picture.height });
    picture.clearRect(0, 0, width, height);
    picture.imageSmoothingEnabled = view.scale < 2;
    const level = view.level;
    const last = lastLevel(view.picture);
    for (const { column, row } of view.visibleTiles(level)) {
      const to = view.screenRect(view.tileRect(level, column, row));
      const key = this.key(level, column, row);
      const tile = this.tiles.get(key);
      if (tile) {
        // The last used tile stands last, so that the first ones are dropped.
        this.tiles.delete(key);
        this.tiles.set(key, tile);
        picture.drawImage(tile, to.x0, to.y0, to.x1 - to.x0, to.y1 - to.y0);
        continue;
      }
      this.ask(level, column, row);
      // Until it comes, the part of a coarser tile is shown.
      for (let coarse = level + 1; coarse <= last; ++coarse) {
        const factor = 2 ** (coarse - level);
        const above = this.tiles.get(this.key(coarse, Math.floor(column / factor), Math.floor(row / factor)));
        if (!above) continue;
        const side = kDrawTile / factor;
        const x = (column % factor) * side;
        const y = (row % factor) * side;
        picture.drawImage(above, x, y, Math.min(side, above.width - x), Math.min(side, above.height - y), to.x0, to.y0, to.x1 - to.x0, to.y1 - to.y0);
        break;
      }
    }
    // A line around the picture tells it from the ground.
    picture.strokeStyle = 'rgba(128, 128, 128, 0.6)';
    picture.strokeRect(all.x0 - 0.5, all.y0 - 0.5, all.x1 - all.x0 + 1, all.y1 - all.y0 + 1);
  }

  private ask(level: number, column: number, row: number): void {
    const key = this.key(level, column, row);
    if (this.asked.has(key)) return;
    this.asked.add(key);
    this.loadTile(this.look, level, column, row).then(
      (tile) => {
        this.asked.delete(key);
        if (this.closed) return tile.close();
        this.tiles.set(key, tile);
        for (const [old, bitmap] of this.tiles) {
          if (this.tiles.size <= kMostTiles) break;
          bitmap.close();
          this.tiles.delete(old);
        }
        this.tilesChanged = true;
        this.wake();
      },
      () => this.asked.delete(key),
    );
  }

  private drawMask(dirty: Set<number>): void {
    const { mask, view } = this;
    const level = view.level;
    if (level !== this.maskLevel) {
      this.maskLevel = level;
      this.maskTiles.clear();
    }
    for (const tile of dirty) this.repaint(this.plane.rectOf(tile));
    if (!this.viewChanged && dirty.size === 0) return;
    const { width, height } = view.screenSize;
    let part: Rect = { x0: 0, y0: 0, x1: width, y1: height };
    if (!this.viewChanged) {
      const box: Rect = { x0: Infinity, y0: Infinity, x1: -Infinity, y1: -Infinity };
      for (const tile of dirty) {
        const to = view.screenRect(this.plane.rectOf(tile));
        // Smoothing reaches a pixel beyond the tile.
        box.x0 = Math.min(box.x0, to.x0 - 2);
        box.y0 = Math.min(box.y0, to.y0 - 2);
        box.x1 = Math.max(box.x1, to.x1 + 2);
        box.y1 = Math.max(box.y1, to.y1 + 2);
      }
      part = { x0: Math.max(0, box.x0), y0: Math.max(0, box.y0), x1: Math.min(width, box.x1), y1: Math.min(height, box.y1) };
      if (part.x0 >= part.x1 || part.y0 >= part.y1) return;
    }
    mask.save();
    mask.beginPath();
    mask.rect(part.x0, part.y0, part.x1 - part.x0, part.y1 - part.y0);
    mask.clip();
    mask.clearRect(part.x0, part.y0, part.x1 - part.x0, part.y1 - part.y0);
    mask.imageSmoothingEnabled = view.scale < 1;
    for (const { column, row } of view.visibleTiles(level, part)) {
      const tile = this.maskTile(level, column, row);
      if (tile.isEmpty) continue;
      const to = view.screenRect(view.tileRect(level, column, row));
      mask.drawImage(tile.context.canvas, to.x0, to.y0, to.x1 - to.x0, to.y1 - to.y0);
    }
    mask.restore();
  }

  /** The mask in one tile of the level, made when it is first seen. */
  private maskTile(level: number, column: number, row: number): MaskTile {
    const key = `${column}/${row}`;
    const known = this.maskTiles.get(key);
    if (known) return known;
    const whole = levelSize(this.plane, level);
    const width = Math.min(kDrawTile, whole.width - column * kDrawTile);
    const height = Math.min(kDrawTile, whole.height - row * kDrawTile);
    const tile: MaskTile = { context: new OffscreenCanvas(width, height).getContext('2d')!, isEmpty: true };
    this.maskTiles.set(key, tile);
    this.paint(tile, level, column, row, this.view.tileRect(level, column, row));
    return tile;
  }

  private repaint(rect: Rect): void {
    const level = this.maskLevel;
    const side = kDrawTile * 2 ** level;
    const column = Math.floor(rect.x0 / side);
    const row = Math.floor(rect.y0 / side);
    const tile = this.maskTiles.get(`${column}/${row}`);
    if (tile) this.paint(tile, level, column, row, rect);
  }

  /** Paints the pixels of `rect` into the tile. At coarser levels, the share of a block that is marked becomes its opacity. */
  private paint(tile: MaskTile, level: number, column: number, row: number, rect: Rect): void {
    const { data, width } = this.plane;
    const block = 2 ** level;
    const x0 = Math.floor(rect.x0 / block);
    const y0 = Math.floor(rect.y0 / block);
    const columns = Math.ceil(rect.x1 / block) - x0;
    const rows = Math.ceil(rect.y1 / block) - y0;
    // Rows of undo tiles at a time: what is empty is passed over without looking at every pixel for its colour.
    const strip = Math.max(1, kTile / block);
    for (let top = 0; top < rows; top += strip)
      for (let left = 0; left < columns; left += strip) {
        const w = Math.min(strip, columns - left);
        const h = Math.min(strip, rows - top);
        const at = { x0: (x0 + left) * block, y0: (y0 + top) * block, x1: Math.min(rect.x1, (x0 + left + w) * block), y1: Math.min(rect.y1, (y0 + top + h) * block) };
        const to = { x: x0 + left - column * kDrawTile, y: y0 + top - row * kDrawTile };
        if (this.isClear(at)) {
          if (!tile.isEmpty) tile.context.clearRect(to.x, to.y, w, h);
          continue;
        }
        tile.isEmpty = false;
        const image = new ImageData(w, h);
        const pixels = new Uint32Array(image.data.buffer);
        if (block === 1) {
          for (let y = 0; y < h; ++y) for (let x = 0; x < w; ++x) pixels[y * w + x] = this.colours[data[(at.y0 + y) * width + at.x0 + x]!]!;
        } else {
          for (let y = 0; y < h; ++y) for (let x = 0; x < w; ++x) pixels[y * w + x] = this.blockColour(at.x0 + x * block, at.y0 + y * block, block);
        }
        tile.context.putImageData(image, to.x, to.y);
      }
  }

  private isClear({ x0, y0, x1, y1 }: Rect): boolean {
    const { data, width } = this.plane;
    for (let y = y0; y < y1; ++y) {
      const end = y * width + x1;
      for (let i = y * width + x0; i < end; ++i) if (data[i] !== 0) return false;
    }
    return true;
  }

  private blockColour(x0: number, y0: number, block: number): number {
    const { data, width, height } = this.plane;
    const x1 = Math.min(width, x0 + block);
    const y1 = Math.min(height, y0 + block);
    let label = 0;
    let count = 0;
    for (let y = y0; y < y1; ++y)
      for (let i = y * width + x0; i < y * width + x1; ++i)
        if (data[i] !== 0) {
          label = data[i]!;
          ++count;
        }
    if (count === 0) return 0;
    // Thin marks stay visible when the picture is small on the screen.
    const opacity = Math.max(96, Math.round((255 * count) / ((x1 - x0) * (y1 - y0))));
    return ((this.colours[label]! & 0xffffff) | (opacity << 24)) >>> 0;
  }
}
