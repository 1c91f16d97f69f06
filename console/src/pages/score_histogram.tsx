// The scores of the judged pictures as bars, with the threshold as a line that is dragged, or moved with the arrow keys.
import { useRef, type KeyboardEvent, type PointerEvent } from 'react';
import type { Bin, ScoreAxis } from './threshold.ts';

interface Props {
  bins: Bin[];
  axis: ScoreAxis;
  /** The places at the ends of the axis. */
  low: number;
  high: number;
  threshold: number;
  /** Where the training put the threshold. */
  trained: number;
  /** What the threshold does, for screen readers. */
  effect: string;
  onMove(threshold: number): void;
}

const width = 800;
const height = 200;
/** The arrow keys move the threshold by this share of the axis, PageUp and PageDown by ten times as much. */
const kStep = 1 / 400;

export function ScoreHistogram({ bins, axis, low, high, threshold, trained, effect, onMove }: Props) {
  const svg = useRef<SVGSVGElement>(null);
  const top = Math.max(1, ...bins.map((bin) => bin.normal + bin.anomaly));
  const x = (score: number) => Math.min(width, Math.max(0, (width * (axis.at(score) - low)) / (high - low || 1)));
  const y = (count: number) => (height * Math.sqrt(count)) / Math.sqrt(top); // Few pictures beside many stay visible.
  const moveTo = (share: number) => onMove(axis.scoreAt(low + Math.min(1, Math.max(0, share)) * (high - low)));
  const drag = (event: PointerEvent) => {
    if (event.buttons !== 1) return;
    const box = svg.current!.getBoundingClientRect();
    svg.current!.setPointerCapture(event.pointerId);
    moveTo((event.clientX - box.left) / box.width);
  };
  const press = (event: KeyboardEvent) => {
    const steps: Record<string, number> = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1, PageDown: -10, PageUp: 10, Home: -400, End: 400 };
    const step = steps[event.key];
    if (step === undefined) return;
    event.preventDefault();
    moveTo(x(threshold) / width + step * kStep);
  };
  const barWidth = Math.max(1, width / bins.length - 1);
  return (
    <svg
      ref={svg}
      className="histogram"
      viewBox={`0 -14 ${width} ${height + 18}`}
      preserveAspectRatio="none"
      role="slider"
      tabIndex={0}
      aria-label="Threshold"
      aria-valuemin={Number(axis.scoreAt(low).toPrecision(4))}
      aria-valuemax={Number(axis.scoreAt(high).toPrecision(4))}
      aria-valuenow={Number(threshold.toPrecision(4))}
      aria-valuetext={`${threshold.toPrecision(3)}: ${effect}`}
      onPointerDown={drag}
      onPointerMove={drag}
      onKeyDown={press}
    >
      {bins.map((bin, i) => (
        <g key={i}>
          <title>{`Scores ${bin.from.toPrecision(3)} to ${bin.to.toPrecision(3)}: ${bin.normal} normal, ${bin.anomaly} anomalous`}</title>
          <rect className="anomaly" x={(i * width) / bins.length} width={barWidth} y={height - y(bin.normal + bin.anomaly)} height={y(bin.normal + bin.anomaly)} />
          <rect className="normal" x={(i * width) / bins.length} width={barWidth} y={height - y(bin.normal)} height={y(bin.normal)} />
        </g>
      ))}
      <line className="base" x1={0} x2={width} y1={height} y2={height} />
      {trained !== threshold && <line className="trained" x1={x(trained)} x2={x(trained)} y1={-6} y2={height} />}
      <line className="threshold" x1={x(threshold)} x2={x(threshold)} y1={-12} y2={height} />
    </svg>
  );
}
