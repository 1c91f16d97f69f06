// Which pictures are chosen and where the focus is. Both are kept by row number, so that they survive another order or filter;
// movements happen in the view, which lists the row numbers that are shown.

export class Selection {
  readonly chosen = new Set<number>();
  /** The row with the focus; -1 if nothing is shown. */
  focus = -1;
  /** Where a range begins. */
  private anchor = -1;
  private view: readonly number[] = [];
  private readonly positions = new Map<number, number>();

  /** Takes another view: what it does not show is no longer chosen, so that a label never reaches a picture that nobody sees. */
  show(view: readonly number[]) {
    const before = this.positionOf(this.focus);
    this.view = view;
    this.positions.clear();
    view.forEach((row, position) => this.positions.set(row, position));
    for (const row of this.chosen) if (!this.positions.has(row)) this.chosen.delete(row);
    if (!this.positions.has(this.focus)) this.focus = view[Math.max(0, Math.min(before, view.length - 1))] ?? -1;
    if (!this.positions.has(this.anchor)) this.anchor = this.focus;
  }

  /** The place of a row in the view, or -1. */
  positionOf(row: number): number {
    return this.positions.get(row) ?? -1;
  }

  /** Moves the focus to a place, which is cut to the view. */
  moveTo(position: number, { extend = false } = {}) {
    if (this.view.length === 0) return;
    const to = Math.max(0, Math.min(position, this.view.length - 1));
    this.focus = this.view[to]!;
    this.chosen.clear();
    if (extend) this.chooseRange(to);
    else this.anchor = this.focus;
  }

  moveBy(steps: number, options: { extend?: boolean } = {}) {
    this.moveTo(this.positionOf(this.focus) + steps, options);
  }

  /** A click on the picture at a place, with Shift (a range) or Ctrl (adds or removes one). */
  click(position: number, { shift = false, ctrl = false } = {}) {
    const row = this.view[position];
    if (row === undefined) return;
    this.focus = row;
    if (shift) {
      if (!ctrl) this.chosen.clear();
      return this.chooseRange(position);
    }
    if (ctrl) this.toggle(row);
    else {
      this.chosen.clear();
      this.chosen.add(row);
    }
    this.anchor = row;
  }

  toggleFocus() {
    if (this.focus < 0) return;
    this.toggle(this.focus);
    this.anchor = this.focus;
  }

  chooseAll() {
    for (const row of this.view) this.chosen.add(row);
  }

  clear() {
    this.chosen.clear();
    this.anchor = this.focus;
  }

  /** The rows that a command is for, in the order of the view: those chosen, else the one with the focus. */
  targets(): number[] {
    if (this.chosen.size > 0) return this.view.filter((row) => this.chosen.has(row));
    return this.focus < 0 ? [] : [this.focus];
  }

  private toggle(row: number) {
    if (!this.chosen.delete(row)) this.chosen.add(row);
  }

  private chooseRange(to: number) {
    const from = Math.max(0, this.positionOf(this.anchor));
    for (let at = Math.min(from, to); at <= Math.max(from, to); at++) this.chosen.add(this.view[at]!);
  }
}
