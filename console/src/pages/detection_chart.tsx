import BarChart from '@cloudscape-design/components/bar-chart';
import type { Detections } from './dashboard.tsx';

/** Normal and anomalous pictures over time, stacked. */
export default function DetectionChart({ detections }: { detections: Detections }) {
  const { series } = detections;
  const step = series.length > 1 ? series[1]!.time.getTime() - series[0]!.time.getTime() : 0;
  const format = new Intl.DateTimeFormat('en', step < 24 * 3600_000 ? { month: 'short', day: 'numeric', hour: '2-digit', minute: '2-digit', hour12: false } : { month: 'short', day: 'numeric' });
  return (
    <BarChart
      series={[
        { title: 'Anomalous', type: 'bar', color: '#d45b07', data: series.map((p) => ({ x: p.time, y: p.anomalies })) },
        { title: 'Normal', type: 'bar', color: '#688ae8', data: series.map((p) => ({ x: p.time, y: Math.max(0, p.images - p.anomalies) })) },
      ]}
      xDomain={series.map((p) => p.time)}
      xScaleType="categorical"
      stackedBars
      height={180}
      hideFilter
      ariaLabel="Pictures judged over time"
      xTickFormatter={(time) => format.format(time)}
      detailPopoverSeriesContent={({ series: s, y }) => ({ key: s.title, value: y.toLocaleString('en') })}
      xTitle=""
      yTitle="Pictures"
    />
  );
}
