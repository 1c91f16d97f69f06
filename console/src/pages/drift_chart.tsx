// One figure of the judged pictures over time, beside what the good training pictures had.
import Box from '@cloudscape-design/components/box';
import LineChart from '@cloudscape-design/components/line-chart';
import type { MixedLineBarChartProps } from '@cloudscape-design/components/mixed-line-bar-chart';
import type { Point } from './drift.ts';

interface Props {
  label: string;
  points: Point[];
  start: Date;
  end: Date;
  /** Lines at heights that do not change. */
  levels: { title: string; value: number }[];
  format(value: number): string;
  /** Whether the axis begins at 0. */
  fromZero?: boolean;
}

const kDay = 24 * 3600_000;

export function DriftChart({ label, points, start, end, levels, format, fromZero }: Props) {
  const values = [...points.map(({ value }) => value), ...levels.map(({ value }) => value)];
  const low = fromZero ? 0 : Math.min(...values);
  const high = Math.max(...values);
  const margin = 0.08 * (high - low) || 0.1 * Math.abs(high) || 0.1;
  const time = new Intl.DateTimeFormat('en', end.getTime() - start.getTime() <= kDay ? { hour: '2-digit', minute: '2-digit', hour12: false } : { month: 'short', day: 'numeric' });
  const moment = new Intl.DateTimeFormat('en', { month: 'short', day: 'numeric', hour: '2-digit', minute: '2-digit', hour12: false });
  const series: MixedLineBarChartProps.ChartSeries<Date>[] = [
    { title: 'Judged pictures', type: 'line', color: '#688ae8', data: points.map(({ time: x, value: y }) => ({ x, y })), valueFormatter: format },
    ...levels.map(({ title, value }) => ({ title, type: 'threshold' as const, y: value, color: '#8c8c94', valueFormatter: format })),
  ];
  return (
    <Box padding={{ top: 'xs' }}>
      <LineChart
        series={series as Parameters<typeof LineChart<Date>>[0]['series']}
        xDomain={[start, end]}
        yDomain={[low >= 0 ? Math.max(0, low - margin) : low - margin, high + margin]}
        xScaleType="time"
        height={160}
        hideFilter
        hideLegend
        ariaLabel={`${label} over time`}
        xTickFormatter={(x) => time.format(x)}
        yTickFormatter={format}
        i18nStrings={{ xTickFormatter: (x) => moment.format(x), chartAriaRoleDescription: 'line chart', detailPopoverDismissAriaLabel: 'Close' }}
        xTitle=""
        yTitle=""
      />
    </Box>
  );
}
