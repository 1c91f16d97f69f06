// The mask editor without its controls: pointer and wheel become changes of the plane and the view, and each frame draws what
// changed. Controls read `state` and call `set` and the other functions.
import type { Label } from '../labels/colours.ts';
import { kNoFilters, type Filters } from './filters.ts';
import { fillAt, fillHoles, fillInside } from './flood.ts';
import { Outline, straight } from './outline.ts';
import type { PictureThread } from './picture_thread.ts';
import { Plane } from './plane.ts';
import { Renderer } from './renderer.ts';
import { paintCapsule, paintPolygon, type Point } from './shapes.ts';
import type { Suggestion } from './suggestion.ts';
import { View } from './view.ts';
import type { Region } from './wand.ts';

export type Tool = 'brush' | 'eraser' | 'polygon' | 'livewire' | 'fill' | 'wand';

export interface EditorState {
  tool: Tool;
  /** The number of the chosen label, from 1 on; 0 if there is none. */
  label: number;
  /** Half the width of the brush, in pixels of the picture. */
  radius: number;
  /** Of the wand, 0 … 1. */
  tolerance: number;
  /** Whether a closed stroke of the brush fills its inside. */
  closeStrokes: boolean;
  opacity: number;
  isHidden: boolean;
  isPanning: boolean;
  filters: Filters;
  /** Device pixels per pixel of the picture. */
  zoom: number;
  canUndo: boolean;
  canRedo: boolean;
  /** Corners of the outline that is drawn at present. */
  corners: number;
  /** The threshold of the suggestion that is shown, or null. */
  threshold: number | null;
  /** Changes with each change of the mask. */
  revision: number;
  /** Whether anything is marked. */
  hasMarks: boolean;
  /** What a tool has to say. */
  note: string;
}

/** What stays as the person set it when the next picture is opened. */
export type EditorSettings = Pick<EditorState, 'tool' | 'label' | 'radius' | 'tolerance' | 'closeStrokes' | 'opacity' | 'filters'>;

export const kSettings: EditorSettings = { tool: 'brush', label: 1, radius: 12, tolerance: 0.2, closeStrokes: false, opacity: 0.55, filters: kNoFilters };

export interface EditorCanvases {
  picture: HTMLCanvasElement;
  mask: HTMLCanvasElement;
  suggestion: HTMLCanvasElement;
  /** The topmost one, which takes the pointer. */
  tools: HTMLCanvasElement;
}

const kMaxRadius = 1000;
/** A click so near to the first corner closes an outline, in CSS pixels. */
const kCloseDistance = 9;

type Gesture =
  | { kind: 'stroke'; value: number; last: Point; points: Point[] }
  | { kind: 'pan'; last: Point }
  | { kind: 'pinch'; last: Map<number, Point> };

export class Editor {
  state: EditorState;
  private readonly listeners = new Set<() => void>();
  private readonly renderer: Renderer;
  private readonly context: CanvasRenderingContext2D;
  private readonly suggestionContext: CanvasRenderingContext2D;
  readonly view: View;
  private gesture: Gesture | null = null;
  private outline: Outline | null = null;
  private suggestion: Suggestion | null = null;
  private suggestionChanged = false;
  private toolsChanged = true;
  private pointer: Point | null = null;
  private readonly touches = new Map<number, Point>();
  private frame = 0;
  private ratio = window.devicePixelRatio || 1;
  private readonly ending = new AbortController();
  private colours: readonly Label[] = [];
  private lastPaint: Tool = 'brush';

  constructor(
    private readonly canvases: EditorCanvases,
    readonly plane: Plane,
    private readonly thread: PictureThread,
    settings: EditorSettings = kSettings,
  ) {
    const picture = { width: plane.width, height: plane.height };
    this.view = new View(picture, this.measure());
    this.context = canvases.tools.getContext('2d')!;
    this.suggestionContext = canvases.suggestion.getContext('2d')!;
    this.renderer = new Renderer(canvases.picture, canvases.mask, plane, this.view, (look, level, column, row) => thread.call('tile', [look, level, column, row]), this.wake);
    this.renderer.setLook(settings.filters.light ? 'light' : 'plain');
    this.state = {
      ...settings,
      isHidden: false,
      isPanning: false,
      zoom: this.view.scale,
      canUndo: plane.canUndo,
      canRedo: plane.canRedo,
      corners: 0,
      threshold: null,
      revision: plane.revision,
      hasMarks: !plane.isEmpty,
      note: '',
    };
    const options = { signal: this.ending.signal };
    const top = canvases.tools;
    top.addEventListener('pointerdown', this.onDown, options);
    top.addEventListener('pointermove', this.onMove, options);
    top.addEventListener('pointerup', this.onUp, options);
    top.addEventListener('pointercancel', this.onUp, options);
    top.addEventListener('pointerleave', this.onLeave, options);
    top.addEventListener('dblclick', () => void this.closeOutline(), options);
    top.addEventListener('wheel', this.onWheel, { ...options, passive: false });
    top.addEventListener('contextmenu', (event) => event.preventDefault(), options);
    const observer = new ResizeObserver(() => this.resize());
    observer.observe(top);
    this.ending.signal.addEventListener('abort', () => observer.disconnect());
    if (settings.tool === 'wand' || settings.tool === 'livewire') this.prepare();
    this.wake();
  }

  close(): void {
    this.ending.abort();
    cancelAnimationFrame(this.frame);
    this.outline?.cancel();
    this.renderer.close();
  }

  /** Gives the keys to the picture. */
  focus(): void {
    this.canvases.tools.focus({ preventScroll: true });
  }

  subscribe = (listener: () => void) => {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  };
  current = () => this.state;

  set(change: Partial<EditorState>): void {
    const before = this.state;
    this.state = { ...before, ...change };
    if (change.tool && change.tool !== before.tool) {
      this.cancelOutline();
      if (change.tool === 'wand' || change.tool === 'livewire') this.prepare();
    }
    if (change.tool === 'brush' || change.tool === 'eraser') this.lastPaint = change.tool;
    if (change.radius !== undefined) this.state.radius = Math.min(kMaxRadius, Math.max(0.5, change.radius));
    if (change.tolerance !== undefined) this.state.tolerance = Math.min(1, Math.max(0.02, change.tolerance));
    if (change.filters && change.filters.light !== before.filters.light) this.renderer.setLook(change.filters.light ? 'light' : 'plain');
    if (change.label !== undefined) this.suggestionChanged = true;
    this.toolsChanged = true;
    this.wake();
    for (const listener of this.listeners) listener();
  }

  get settings(): EditorSettings {
    const { tool, label, radius, tolerance, closeStrokes, opacity, filters } = this.state;
    return { tool, label, radius, tolerance, closeStrokes, opacity, filters };
  }

  setLabels(labels: readonly Label[]): void {
    this.colours = labels;
    this.renderer.setColours(labels.map((label) => label.colour));
    this.suggestionChanged = true;
    if (this.state.label > labels.length || (this.state.label === 0 && labels.length > 0)) this.set({ label: Math.min(1, labels.length) });
  }

  /** Whether the picture is drawn in its full sharpness. */
  get isComplete(): boolean {
    return this.renderer.isComplete;
  }

  /** Lets the thread read the picture's values before a tool asks for them. */
  private prepare(): void {
    this.thread.call('prepare', []).catch(() => {
      // The tool itself tells what is wrong.
    });
  }

  // --- What keys and controls do ---

  swap(): void {
    this.set({ tool: this.lastPaint === 'brush' ? 'eraser' : 'brush' });
  }

  /** One step of the size that the tool has. */
  resizeTool(steps: number): void {
    if (this.state.tool === 'wand') return this.set({ tolerance: this.state.tolerance + 0.03 * steps });
    const { radius } = this.state;
    const next = radius * 1.15 ** steps;
    // Small brushes change by half pixels at least.
    this.set({ radius: Math.round(2 * (Math.abs(next - radius) < 0.5 ? radius + 0.5 * Math.sign(steps) : next)) / 2 });
  }

  undo(): void {
    if (this.outline) return this.removeCorner();
    if (this.gesture?.kind === 'stroke') this.gesture = null;
    if (this.plane.undo()) this.changed();
  }

  redo(): void {
    if (this.plane.redo()) this.changed();
  }

  /** Goes back to the mask with which the editor was opened, as far as undo remembers. */
  undoAll(): void {
    this.reject();
    while (this.plane.undo());
    this.changed();
  }

  fit(): void {
    this.view.fit();
    this.viewChanged();
  }

  zoomBy(factor: number): void {
    const { width, height } = this.view.screenSize;
    this.view.zoomAt(this.pointer ?? { x: width / 2, y: height / 2 }, factor);
    this.viewChanged();
  }

  removeCorner(): void {
    if (this.outline && this.outline.count < 2) this.cancelOutline();
    else this.outline?.removeLast();
  }

  /** Fills the holes of masks that are smaller than the brush. */
  fillPinholes(): void {
    const holes = fillHoles(this.plane, Math.max(1, Math.round(Math.PI * this.state.radius ** 2)));
    this.finish(holes === 0 ? 'There is no hole that is smaller than the brush.' : `Filled ${holes} ${holes === 1 ? 'hole' : 'holes'}.`);
  }

  clear(): void {
    this.plane.replace(new Uint8Array(this.plane.data.length));
    this.changed();
  }

  /** Replaces the mask, such as by that of another picture. */
  replace(data: Uint8Array): void {
    if (this.plane.replace(data)) this.changed();
  }

  suggest(suggestion: Suggestion): void {
    this.suggestion = suggestion;
    this.suggestionChanged = true;
    this.set({ threshold: suggestion.threshold, note: '' });
  }

  moveThreshold(by: number): void {
    if (!this.suggestion?.move(by)) return;
    this.suggestionChanged = true;
    this.set({ threshold: this.suggestion.threshold });
  }

  /** Accepts the suggestion or closes the outline. Returns false if there is neither. */
  accept(): boolean {
    if (this.suggestion) {
      if (!this.needsLabel()) return true;
      this.suggestion.accept(this.plane, this.state.label);
      this.dropSuggestion();
      this.changed();
      return true;
    }
    if (!this.outline) return false;
    void this.closeOutline();
    return true;
  }

  /** Rejects the suggestion or the outline. Returns false if there is neither. */
  reject(): boolean {
    if (this.suggestion) {
      this.dropSuggestion();
      return true;
    }
    if (!this.outline) return false;
    this.cancelOutline();
    return true;
  }

  private dropSuggestion() {
    this.suggestion = null;
    this.suggestionContext.clearRect(0, 0, this.canvases.suggestion.width, this.canvases.suggestion.height);
    this.set({ threshold: null });
  }

  // --- The outline of polygon and live-wire ---

  private onOutline = () => {
    this.toolsChanged = true;
    this.wake();
    if (this.outline && this.outline.count !== this.state.corners) this.set({ corners: this.outline.count });
  };

  private addCorner(at: Point) {
    const inside = { x: Math.min(this.plane.width, Math.max(0, at.x)), y: Math.min(this.plane.height, Math.max(0, at.y)) };
    if (!this.outline) {
      const level = this.view.level;
      const wire = async (from: Point, to: Point) => (await this.thread.call('wire', [level, from, to])).slice(1);
      this.outline = new Outline(inside, this.state.tool === 'livewire' ? wire : straight, this.onOutline);
      this.set({ corners: 1 });
      return;
    }
    const start = this.view.toScreen(this.outline.start);
    const here = this.view.toScreen(at);
    if (this.outline.count > 2 && Math.hypot(start.x - here.x, start.y - here.y) < kCloseDistance * this.ratio) void this.closeOutline();
    else this.outline.add(inside);
  }

  /** Closes the outline that is drawn, if there is one, and paints its inside. */
  async closeOutline(): Promise<void> {
    const outline = this.outline;
    if (!outline) return;
    this.outline = null;
    const points = await outline.close();
    if (this.ending.signal.aborted) return;
    if (points.length > 2 && this.needsLabel()) paintPolygon(this.plane, points, this.state.label);
    this.finish();
    this.set({ corners: 0 });
  }

  private cancelOutline() {
    if (!this.outline) return;
    this.outline.cancel();
    this.outline = null;
    this.set({ corners: 0 });
  }

  // --- Pointer and wheel ---

  /** Where an event lies on the screen, in device pixels. */
  private at(event: { clientX: number; clientY: number }): Point {
    const box = this.canvases.tools.getBoundingClientRect();
    return { x: (event.clientX - box.left) * this.ratio, y: (event.clientY - box.top) * this.ratio };
  }

  private needsLabel(): boolean {
    if (this.state.label > 0) return true;
    this.set({ note: 'Add an anomaly label first.' });
    return false;
  }

  private onDown = (event: PointerEvent) => {
    this.focus();
    const screen = this.at(event);
    this.pointer = screen;
    if (event.pointerType === 'touch') {
      this.touches.set(event.pointerId, screen);
      if (this.touches.size === 2) {
        // A second finger turns the first one's stroke into zooming and panning.
        if (this.gesture?.kind === 'stroke') this.plane.cancel();
        this.gesture = { kind: 'pinch', last: new Map(this.touches) };
        return this.wake();
      }
      if (this.touches.size > 2) return;
    }
    if (this.gesture) return;
    try {
      this.canvases.tools.setPointerCapture(event.pointerId);
    } catch {
      // The pointer is gone already.
    }
    if (event.button === 1 || (event.button === 0 && this.state.isPanning)) {
      event.preventDefault();
      this.gesture = { kind: 'pan', last: screen };
      return;
    }
    // Button 5 is the eraser of a pen.
    if (event.button !== 0 && event.button !== 2 && event.button !== 5) return;
    const erases = event.button !== 0;
    const at = this.view.toPicture(screen);
    const { tool } = this.state;
    if (this.state.note) this.set({ note: '' });
    if (!erases && tool !== 'eraser' && !this.needsLabel()) return;
    const value = erases || tool === 'eraser' ? 0 : this.state.label;
    if (tool === 'fill') {
      const filled = fillAt(this.plane, Math.floor(at.x), Math.floor(at.y), value);
      return this.finish(filled ? '' : 'This area is not closed: the fill would run around the whole picture.');
    }
    if (tool === 'wand') return void this.wandAt(at, value);
    if (!erases && (tool === 'polygon' || tool === 'livewire')) return this.addCorner(at);
    this.gesture = { kind: 'stroke', value, last: at, points: [at] };
    this.plane.touch({ x0: at.x, y0: at.y, x1: at.x, y1: at.y });
    paintCapsule(this.plane, at, at, this.state.radius, value);
    this.toolsChanged = true;
    this.wake();
  };

  private onMove = (event: PointerEvent) => {
    const screen = this.at(event);
    this.pointer = screen;
    this.toolsChanged = true;
    if (this.touches.has(event.pointerId)) this.touches.set(event.pointerId, screen);
    const { gesture } = this;
    if (gesture?.kind === 'stroke') {
      // The positions between two frames; browsers only tell them over TLS and on loopback.
      const events = event.getCoalescedEvents?.() ?? [];
      for (const one of events.length > 0 ? events : [event]) {
        const at = this.view.toPicture(this.at(one));
        paintCapsule(this.plane, gesture.last, at, this.state.radius, gesture.value);
        gesture.last = at;
        gesture.points.push(at);
      }
    } else if (gesture?.kind === 'pan') {
      this.view.pan(screen.x - gesture.last.x, screen.y - gesture.last.y);
      gesture.last = screen;
      this.viewChanged();
    } else if (gesture?.kind === 'pinch') this.pinch(gesture.last);
    else this.outline?.moveTo(this.view.toPicture(screen));
    this.wake();
  };

  private pinch(last: Map<number, Point>) {
    const [a, b] = [...last].map(([id, from]) => ({ from, to: this.touches.get(id) ?? from }));
    if (!a || !b) return;
    const middle = (p: Point, q: Point) => ({ x: (p.x + q.x) / 2, y: (p.y + q.y) / 2 });
    const before = middle(a.from, b.from);
    const after = middle(a.to, b.to);
    this.view.pan(after.x - before.x, after.y - before.y);
    this.view.zoomAt(after, Math.max(1, Math.hypot(a.to.x - b.to.x, a.to.y - b.to.y)) / Math.max(1, Math.hypot(a.from.x - b.from.x, a.from.y - b.from.y)));
    for (const id of last.keys()) last.set(id, this.touches.get(id) ?? last.get(id)!);
    this.viewChanged();
  }

  private onUp = (event: PointerEvent) => {
    this.touches.delete(event.pointerId);
    const { gesture } = this;
    if (gesture?.kind === 'pinch') {
      if (this.touches.size === 0) this.gesture = null;
      return;
    }
    this.gesture = null;
    if (gesture?.kind !== 'stroke') return;
    if (this.state.closeStrokes && gesture.value !== 0) this.fillStroke(gesture.points, gesture.value);
    this.finish();
  };

  private onLeave = () => {
    if (this.gesture) return;
    this.pointer = null;
    this.toolsChanged = true;
    this.wake();
  };

  /** Fills what a stroke went around: the stroke is painted once more on a plane of its own. */
  private fillStroke(points: readonly Point[], value: number) {
    const { radius } = this.state;
    const reach = radius + 2;
    const xs = points.map((p) => p.x);
    const ys = points.map((p) => p.y);
    const lowest = (values: number[]) => values.reduce((a, b) => Math.min(a, b));
    const highest = (values: number[]) => values.reduce((a, b) => Math.max(a, b));
    const rect = this.plane.clip({ x0: lowest(xs) - reach, y0: lowest(ys) - reach, x1: highest(xs) + reach, y1: highest(ys) + reach });
    if (rect.x1 - rect.x0 < 3 || rect.y1 - rect.y0 < 3) return;
    const stroke = new Plane(rect.x1 - rect.x0, rect.y1 - rect.y0);
    const moved = points.map(({ x, y }) => ({ x: x - rect.x0, y: y - rect.y0 }));
    moved.forEach((p, i) => paintCapsule(stroke, moved[Math.max(0, i - 1)]!, p, radius, 1));
    fillInside(this.plane, stroke.data, rect, value);
  }

  private async wandAt(at: Point, value: number) {
    let region: Region | null;
    try {
      region = await this.thread.call('wand', [Math.floor(at.x), Math.floor(at.y), this.state.tolerance]);
    } catch {
      return;
    }
    if (!region || this.ending.signal.aborted) return;
    const { rect, bits } = region;
    this.plane.touch(rect);
    const columns = rect.x1 - rect.x0;
    for (let y = rect.y0; y < rect.y1; ++y)
      for (let x = rect.x0; x < rect.x1; ++x) if (bits[(y - rect.y0) * columns + x - rect.x0]) this.plane.data[y * this.plane.width + x] = value;
    this.finish();
  }

  private onWheel = (event: WheelEvent) => {
    event.preventDefault();
    const screen = this.at(event);
    this.pointer = screen;
    // Some systems turn the wheel sideways while Alt or Shift is held.
    const turned = event.deltaY || event.deltaX;
    const pixels = turned * (event.deltaMode === WheelEvent.DOM_DELTA_LINE ? 18 : event.deltaMode === WheelEvent.DOM_DELTA_PAGE ? 400 : 1);
    if (this.suggestion && !event.ctrlKey) return this.moveThreshold(-Math.sign(pixels) * Math.max(1, Math.round(Math.abs(pixels) / 50)));
    if (event.altKey) return this.resizeTool(-Math.sign(pixels) * Math.max(1, Math.round(Math.abs(pixels) / 100)));
    this.view.zoomAt(screen, Math.exp(-pixels * (event.ctrlKey ? 0.006 : 0.002)));
    this.viewChanged();
  };

  // --- Changes and frames ---

  /** Ends a step of the plane. */
  private finish(note = '') {
    const changed = this.plane.commit();
    this.wake();
    if (note !== this.state.note) this.set({ note });
    if (changed) this.changed();
  }

  private changed() {
    const { canUndo, canRedo, revision } = this.plane;
    this.set({ canUndo, canRedo, revision, hasMarks: !this.plane.isEmpty });
  }

  private measure() {
    const { clientWidth, clientHeight } = this.canvases.tools;
    return { width: Math.max(1, Math.round(clientWidth * this.ratio)), height: Math.max(1, Math.round(clientHeight * this.ratio)) };
  }

  private resize() {
    this.ratio = window.devicePixelRatio || 1;
    const size = this.measure();
    const { width, height } = this.view.screenSize;
    if (size.width === width && size.height === height) return;
    this.view.resize(size);
    this.viewChanged();
  }

  private viewChanged() {
    this.renderer.changeView();
    this.suggestionChanged = true;
    this.toolsChanged = true;
    if (this.state.zoom !== this.view.scale) this.set({ zoom: this.view.scale });
  }

  private wake = () => {
    if (this.ending.signal.aborted) return;
    this.frame ||= requestAnimationFrame(() => {
      this.frame = 0;
      this.draw();
    });
  };

  private draw() {
    this.renderer.draw();
    const { width, height } = this.view.screenSize;
    for (const canvas of [this.canvases.suggestion, this.canvases.tools])
      if (canvas.width !== width || canvas.height !== height) {
        canvas.width = width;
        canvas.height = height;
      }
    if (this.suggestion && this.suggestionChanged) this.suggestion.draw(this.suggestionContext, this.view, this.colours[this.state.label - 1]?.colour ?? '#ff0000');
    this.suggestionChanged = false;
    if (this.toolsChanged) this.drawTools();
    this.toolsChanged = false;
  }

  private drawTools() {
    const { context, ratio, view, state } = this;
    const { width, height } = view.screenSize;
    context.clearRect(0, 0, width, height);
    // Two strokes, dark and light, are seen on every picture.
    const twice = (draw: () => void, thickness = 1) => {
      context.lineWidth = (thickness + 2) * ratio;
      context.strokeStyle = 'rgba(0, 0, 0, 0.55)';
      draw();
      context.lineWidth = thickness * ratio;
      context.strokeStyle = '#ffffff';
      draw();
    };
    if (this.outline) {
      const points = [...this.outline.points, ...this.outline.tail].map((p) => view.toScreen(p));
      twice(() => {
        context.beginPath();
        points.forEach(({ x, y }, i) => (i ? context.lineTo(x, y) : context.moveTo(x, y)));
        context.stroke();
      }, 1.5);
      for (const corner of this.outline.cornerPoints) {
        const { x, y } = view.toScreen(corner);
        context.fillStyle = this.colours[state.label - 1]?.colour ?? '#ffffff';
        context.beginPath();
        context.arc(x, y, 4 * ratio, 0, 2 * Math.PI);
        context.fill();
        twice(() => context.stroke());
      }
    }
    const paints = state.tool === 'brush' || state.tool === 'eraser' || this.gesture?.kind === 'stroke';
    if (this.pointer && paints && !state.isPanning && this.gesture?.kind !== 'pan') {
      const { x, y } = this.pointer;
      const radius = Math.max(1.5 * ratio, state.radius * view.scale);
      twice(() => {
        context.beginPath();
        context.arc(x, y, radius, 0, 2 * Math.PI);
        context.stroke();
      });
    }
  }
}
