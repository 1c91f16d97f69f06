// Draws a gallery as a grid of tiles, of which only those near the screen exist. Rows of tiles are recycled.
//
// The tiles lie on a stage that stands still within the scrolled area (position: sticky) and are moved by hand to where the
// scroll position is. The browser scrolls before scripts run; without the stage it would show places that nothing was drawn
// to yet, while with it a fast scroll shows the tiles of the last frame until the next ones are drawn.
import { kAnomaly, kLabelNames, kUnlabelled, type GalleryRow, type Label } from './rows.ts';
import type { GalleryModel } from './model.ts';
import { Thumbnails } from './thumbnails.ts';
import { isCorrect } from './view.ts';

export type TileSize = 'S' | 'M' | 'L';
/** The least width of a tile, and the height of its picture. */
const kSizes: Record<TileSize, { width: number; picture: number }> = { S: { width: 112, picture: 84 }, M: { width: 168, picture: 126 }, L: { width: 248, picture: 186 } };
const kCaption = 48;
const kVerdict = 18;
const kGap = 8;
/** Rows beyond the screen that exist, and that have their thumbnails loaded. */
const kSpareRows = 2;
/** A fast scroll has ended when nothing moved for so long. */
const kSettleMilliseconds = 40;

interface Tile {
  cell: HTMLElement;
  picture: HTMLElement;
  name: HTMLElement;
  state: HTMLElement;
  verdict: HTMLElement;
  /** For screen readers, which read all texts of a tile. */
  note: HTMLElement;
  row: number;
}

interface TileRow {
  element: HTMLElement;
  tiles: Tile[];
}

let numberOfGrids = 0;

export class TileGrid {
  private readonly id = `tiles-${++numberOfGrids}`;
  private readonly stage = div('gallery-stage');
  private readonly layer = div('gallery-layer');
  private readonly spacer = div('gallery-spacer');
  private readonly thumbnails: Thumbnails;
  private readonly resized: ResizeObserver;
  private readonly drawn = new Map<number, TileRow>();
  private spare: TileRow[] = [];
  private columns = 0;
  private height = 0;
  private lastTop = 0;
  private frame = 0;
  private settling = 0;
  private size: TileSize = 'M';
  private readonly unsubscribe: () => void;

  constructor(
    private readonly scroller: HTMLElement,
    private readonly model: GalleryModel,
    private readonly onOpen: () => void,
  ) {
    this.stage.setAttribute('role', 'presentation');
    this.layer.setAttribute('role', 'rowgroup');
    this.spacer.setAttribute('aria-hidden', 'true');
    this.stage.append(this.layer);
    scroller.replaceChildren(this.stage, this.spacer);
    this.thumbnails = new Thumbnails(
      (row) => model.rows[row]!.sourceRef,
      (sourceRefs, signal) => model.source.thumbnails(sourceRefs, signal),
      () => this.schedule(),
      (address) => scroller.style.setProperty('--typical', `url("${address}")`),
    );
    scroller.addEventListener('scroll', this.onScroll, { passive: true });
    this.layer.addEventListener('click', this.onClick);
    this.layer.addEventListener('dblclick', this.onDoubleClick);
    this.resized = new ResizeObserver(() => this.measure());
    this.resized.observe(scroller);
    this.unsubscribe = model.subscribe(() => this.schedule());
    this.measure();
  }

  close() {
    cancelAnimationFrame(this.frame);
    clearTimeout(this.settling);
    this.unsubscribe();
    this.resized.disconnect();
    this.thumbnails.close();
    this.scroller.removeEventListener('scroll', this.onScroll);
    this.scroller.replaceChildren();
  }

  setSize(size: TileSize) {
    if (size === this.size) return;
    this.size = size;
    this.measure();
  }

  /** The tiles of one row, and the rows of a screen, for movements up and down. */
  get perRow() {
    return this.columns;
  }
  get rowsPerScreen() {
    return Math.max(1, Math.floor(this.scroller.clientHeight / this.pitch));
  }

  /** Scrolls as little as needed to show the picture with the focus. */
  reveal() {
    const position = this.model.selection.positionOf(this.model.selection.focus);
    if (position < 0 || !this.columns) return;
    this.resizeSpacer();
    const top = Math.floor(position / this.columns) * this.pitch;
    const { scrollTop, clientHeight } = this.scroller;
    if (top < scrollTop) this.scroller.scrollTop = top;
    else if (top + this.pitch + kGap > scrollTop + clientHeight) this.scroller.scrollTop = top + this.pitch + kGap - clientHeight;
    this.draw();
  }

  private get pitch() {
    return this.height + kGap;
  }

  private measure() {
    // What stands at the top of the screen shall stand there afterwards, too.
    const atTop = this.columns ? Math.round(this.scroller.scrollTop / this.pitch) * this.columns : 0;
    const { width, picture } = kSizes[this.size];
    const hasVerdicts = this.model.rows[0]?.verdict !== undefined;
    const columns = Math.max(1, Math.floor((this.scroller.clientWidth - kGap) / (width + kGap)));
    const height = picture + kCaption + (hasVerdicts ? kVerdict : 0);
    this.stage.style.height = `${this.scroller.clientHeight}px`;
    if (columns !== this.columns || height !== this.height) {
      for (const row of [...this.drawn.values()]) row.element.remove();
      this.drawn.clear();
      this.spare = [];
      this.columns = columns;
      this.height = height;
      this.layer.style.setProperty('--columns', String(columns));
      this.layer.style.setProperty('--picture', `${picture}px`);
      this.layer.style.setProperty('--tile', `${height}px`);
      this.resizeSpacer();
      this.scroller.scrollTop = Math.floor(atTop / columns) * this.pitch;
    }
    this.draw();
  }

  private resizeSpacer() {
    const rows = Math.ceil(this.model.view.length / this.columns);
    const height = Math.max(0, rows * this.pitch + kGap - this.scroller.clientHeight);
    this.spacer.style.height = `${height}px`;
    this.scroller.setAttribute('aria-rowcount', String(rows));
    this.scroller.setAttribute('aria-colcount', String(this.columns));
  }

  private schedule() {
    if (!this.frame) this.frame = requestAnimationFrame(() => this.draw());
  }

  private readonly onScroll = () => this.draw();

  private draw() {
    cancelAnimationFrame(this.frame);
    this.frame = 0;
    if (!this.columns || !this.scroller.clientHeight) return;
    const { model, columns, pitch } = this;
    if ((model.rows[0]?.verdict !== undefined) !== this.height > kSizes[this.size].picture + kCaption) return this.measure();
    this.resizeSpacer();
    if (model.mustReveal) {
      model.mustReveal = false;
      return this.reveal();
    }
    const top = this.scroller.scrollTop;
    const rowCount = Math.ceil(model.view.length / columns);
    const firstVisible = Math.max(0, Math.floor((top - kGap) / pitch));
    const lastVisible = Math.min(rowCount - 1, Math.floor((top + this.scroller.clientHeight) / pitch));
    const first = Math.max(0, firstVisible - kSpareRows);
    const last = Math.min(rowCount - 1, lastVisible + kSpareRows);

    for (const [number, row] of this.drawn)
      if (number < first || number > last) {
        this.drawn.delete(number);
        row.element.hidden = true;
        this.spare.push(row);
      }
    for (let number = first; number <= last; number++) {
      let row = this.drawn.get(number);
      if (!row) {
        row = this.spare.pop() ?? this.makeRow();
        row.element.hidden = false;
        row.element.style.top = `${number * pitch}px`;
        row.element.setAttribute('aria-rowindex', String(number + 1));
        this.drawn.set(number, row);
      }
      row.tiles.forEach((tile, column) => this.drawTile(tile, number * columns + column));
    }
    this.layer.style.transform = `translateY(${-top}px)`;
    const focused = model.selection.positionOf(model.selection.focus);
    const row = this.drawn.get(Math.floor(focused / columns));
    if (focused >= 0 && row) this.scroller.setAttribute('aria-activedescendant', row.tiles[focused % columns]!.cell.id);
    else this.scroller.removeAttribute('aria-activedescendant');
    this.wantThumbnails(firstVisible, lastVisible, top - this.lastTop);
    this.lastTop = top;
  }

  /** `step` is how far the tiles have been scrolled since the last time. */
  private wantThumbnails(first: number, last: number, step: number) {
    clearTimeout(this.settling);
    if (Math.abs(step) > this.scroller.clientHeight) {
      // What is on the screen for one frame is gone before its thumbnails come, and loading them would be in the way of those
      // of the place where the scrolling ends.
      this.settling = window.setTimeout(() => this.draw(), kSettleMilliseconds);
      return;
    }
    const { view } = this.model;
    const slice = (from: number, to: number) => view.slice(Math.max(0, from) * this.columns, (to + 1) * this.columns);
    const screen = last - first + 1;
    const [below, above] = [slice(last + 1, last + 2 * screen), slice(first - 2 * screen, first - 1).reverse()];
    this.thumbnails.want(slice(first, last), step >= 0 ? [...below, ...above] : [...above, ...below]);
  }

  private makeRow(): TileRow {
    const element = div('gallery-row');
    element.setAttribute('role', 'row');
    const tiles = Array.from({ length: this.columns }, (_, column): Tile => {
      const [cell, picture, name] = [div('gallery-tile'), div('gallery-picture'), div('gallery-name')];
      const [state, verdict, note] = [div('gallery-state'), div('gallery-verdict'), div('gallery-note')];
      const tile = { cell, picture, name, state, verdict, note, row: -1 };
      tile.cell.setAttribute('role', 'gridcell');
      tile.cell.setAttribute('aria-colindex', String(column + 1));
      tile.cell.append(picture, div('gallery-check'), name, state, verdict, note);
      element.append(tile.cell);
      return tile;
    });
    this.layer.append(element);
    return { element, tiles };
  }

  private drawTile(tile: Tile, position: number) {
    const { model } = this;
    const number = model.view[position] ?? -1;
    const row = model.rows[number];
    tile.cell.hidden = !row;
    if (!row) {
      tile.row = -1;
      return;
    }
    if (tile.row !== number) {
      tile.row = number;
      tile.cell.id = `${this.id}-${number}`;
      tile.cell.title = row.sourceRef;
      tile.name.textContent = row.name;
    }
    this.drawPicture(tile, number);
    const label = model.labels.labelOf(number);
    const isEdited = model.labels.isEdited(number);
    const names = label === kAnomaly ? row.anomalyLabels.join(', ') : '';
    setText(tile.state, names ? `${kLabelNames[label]}: ${names}` : kLabelNames[label]);
    setText(tile.verdict, describeVerdict(row, label));
    tile.cell.dataset.label = kLabelNames[label];
    tile.cell.dataset.correct = String(isCorrect(row, label) ?? '');
    tile.cell.classList.toggle('is-edited', isEdited);
    tile.cell.classList.toggle('is-focused', number === model.selection.focus);
    const isChosen = model.selection.chosen.has(number);
    if (tile.cell.getAttribute('aria-selected') !== String(isChosen)) tile.cell.setAttribute('aria-selected', String(isChosen));
    setText(tile.note, isEdited ? 'Not saved' : '');
  }

  private drawPicture(tile: Tile, number: number) {
    const shown = this.thumbnails.get(number);
    const isFailed = typeof shown === 'string';
    tile.picture.classList.toggle('is-failed', isFailed);
    if (shown instanceof HTMLImageElement) {
      if (tile.picture.firstChild !== shown) tile.picture.replaceChildren(shown);
    } else if (isFailed) {
      if (tile.picture.textContent !== shown) tile.picture.replaceChildren(shown);
    } else if (tile.picture.firstChild) tile.picture.replaceChildren();
  }

  private positionAt(event: Event): number {
    const cell = event.target instanceof Element ? event.target.closest<HTMLElement>('.gallery-tile') : null;
    for (const row of this.drawn.values()) {
      const tile = row.tiles.find((one) => one.cell === cell);
      if (tile) return this.model.selection.positionOf(tile.row);
    }
    return -1;
  }

  private readonly onClick = (event: MouseEvent) => {
    const position = this.positionAt(event);
    if (position < 0) return;
    const isCheck = event.target instanceof Element && event.target.classList.contains('gallery-check');
    this.model.selection.click(position, { shift: event.shiftKey, ctrl: event.ctrlKey || event.metaKey || isCheck });
    this.scroller.focus({ preventScroll: true });
    this.model.changed();
    this.reveal();
  };

  private readonly onDoubleClick = (event: MouseEvent) => {
    if (this.positionAt(event) >= 0 && !(event.target as Element).classList.contains('gallery-check')) this.onOpen();
  };
}

function describeVerdict(row: GalleryRow, label: Label): string {
  if (row.remark !== undefined) return row.remark;
  if (row.verdict === undefined) return '';
  if (row.verdict === kUnlabelled) return 'Not judged';
  const confidence = row.confidence === undefined ? '' : ` ${(row.confidence * 100).toFixed(0)} %`;
  const isRight = isCorrect(row, label);
  const mark = isRight === undefined ? '' : isRight ? ' ✓' : ' ✗';
  return `Model: ${kLabelNames[row.verdict]}${confidence}${mark}`;
}

function div(className: string): HTMLElement {
  const element = document.createElement('div');
  element.className = className;
  return element;
}

function setText(element: HTMLElement, text: string) {
  if (element.textContent !== text) element.textContent = text;
}
