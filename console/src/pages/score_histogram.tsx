// The scores of the judged pictures as bars, with the threshold as a line that can be dragged.
import { useId, useRef, type PointerEvent } from 'react';
import type { Bin } from './threshold.ts';

interface Props {
  bins: Bin[];
  low: number;
  high: number;
  threshold: number;
  /** Where the training put the threshold. */
  trained: number;
  onMove?(threshold: number): void;
}

const width = 800;
const height = 200;

export function ScoreHistogram({ bins, low, high, threshold, trained, onMove }: Props) {
  const svg = useRef<SVGSVGElement>(null);
  const title = useId();
  const top = Math.max(1, ...bins.map((bin) => bin.normal + bin.anomaly));
  const x = (score: number) => (width * (score - low)) / (high - low || 1);
  const y = (count: number) => (height * count) / top;
  const move = (event: PointerEvent) => {
    if (!onMove || event.buttons !== 1) return;
    const box = svg.current!.getBoundingClientRect();
    svg.current!.setPointerCapture(event.pointerId);
    onMove(Math.min(high, Math.max(low, low + ((event.clientX - box.left) / box.width) * (high - low))));
  };
  return (
    <svg
      ref={svg}
      className={`histogram${onMove ? ' movable' : ''}`}
      viewBox={`0 -14 ${width} ${height + 18}`}
      preserveAspectRatio="none"
      role="img"
      aria-labelledby={title}
      onPointerDown={move}
      onPointerMove={move}
    >
      <title id={title}>Anomaly scores of normal and anomalous pictures, and the threshold</title>
      {bins.map((bin) => {
        const w = Math.max(1, width / bins.length - 1);
        return (
          <g key={bin.from}>
            <title>{`${bin.from.toPrecision(3)} to ${bin.to.toPrecision(3)}: ${bin.normal} normal, ${bin.anomaly} anomalous`}</title>
            <rect className="normal" x={x(bin.from)} width={w} y={height - y(bin.normal)} height={y(bin.normal)} />
            <rect className="anomaly" x={x(bin.from)} width={w} y={height - y(bin.normal + bin.anomaly)} height={y(bin.anomaly)} />
          </g>
        );
      })}
      <line className="base" x1={0} x2={width} y1={height} y2={height} />
      {trained !== threshold && <line className="trained" x1={x(trained)} x2={x(trained)} y1={-6} y2={height} />}
      <line className="threshold" x1={x(threshold)} x2={x(threshold)} y1={-12} y2={height} />
    </svg>
  );
}
