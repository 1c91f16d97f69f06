// Draws what belongs to the tools: the circle of the brush, and the outline that is being made.
import type { Outline } from './outline.ts';
import type { Point } from './shapes.ts';
import type { View } from './view.ts';

export interface ToolMarks {
  outline: Outline | null;
  /** Of the chosen label. */
  colour: string;
  /** Where the brush is, in device pixels of the screen, and its radius in pixels of the picture. */
  brush: { at: Point; radius: number } | null;
}

/** Clears the canvas and draws on it. `ratio` is the number of device pixels in a CSS pixel. */
export function drawTools(context: CanvasRenderingContext2D, view: View, ratio: number, { outline, colour, brush }: ToolMarks): void {
  context.clearRect(0, 0, view.screenSize.width, view.screenSize.height);
  // Two lines, a dark and a light one, are seen on every picture.
  const stroke = (thickness: number) => {
    context.lineWidth = (thickness + 2) * ratio;
    context.strokeStyle = 'rgba(0, 0, 0, 0.55)';
    context.stroke();
    context.lineWidth = thickness * ratio;
    context.strokeStyle = '#ffffff';
    context.stroke();
  };
  const circle = ({ x, y }: Point, radius: number) => {
    context.beginPath();
    context.arc(x, y, radius, 0, 2 * Math.PI);
  };
  if (outline) {
    context.beginPath();
    [...outline.points, ...outline.tail].forEach((point, i) => {
      const { x, y } = view.toScreen(point);
      if (i) context.lineTo(x, y);
      else context.moveTo(x, y);
    });
    stroke(1.5);
    context.fillStyle = colour;
    for (const corner of outline.cornerPoints) {
      circle(view.toScreen(corner), 4 * ratio);
      context.fill();
      stroke(1);
    }
  }
  if (brush) {
    circle(brush.at, Math.max(1.5 * ratio, brush.radius * view.scale));
    stroke(1);
  }
}
