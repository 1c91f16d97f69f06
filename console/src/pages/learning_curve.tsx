// The figures of all versions over the number of their training pictures, and what they say about more pictures.
import { useState } from 'react';
import { useQueries } from '@tanstack/react-query';
import Box from '@cloudscape-design/components/box';
import ExpandableSection from '@cloudscape-design/components/expandable-section';
import Link from '@cloudscape-design/components/link';
import SpaceBetween from '@cloudscape-design/components/space-between';
import Spinner from '@cloudscape-design/components/spinner';
import Table from '@cloudscape-design/components/table';
import { sentenceOf } from '../api/errors.ts';
import { count, percent } from '../app/format.ts';
import { href, paths } from '../app/paths.ts';
import { useSession } from '../session/session.tsx';
import { evaluationQuery } from './evaluation_query.ts';
import { outlook, pointOf, type Figure, type Point } from './learning.ts';

/** Each evaluation is a list of all its pictures. */
const kMostVersions = 12;
const kWidth = 640;
const kHeight = 220;
const kLeft = 44;
const kBottom = 28;

function Chart({ points }: { points: Point[] }) {
  const figures = points.flatMap(({ f1, auroc }) => [f1, auroc].filter((one): one is Figure => !!one));
  const low = Math.max(0, Math.floor(10 * Math.min(...figures.map((figure) => figure.low))) / 10 - 0.001);
  const [least, most] = [Math.log(Math.min(...points.map((point) => point.pictures))), Math.log(Math.max(...points.map((point) => point.pictures)))];
  const x = (pictures: number) => (least === most ? (kLeft + kWidth) / 2 : kLeft + 24 + ((Math.log(pictures) - least) / (most - least)) * (kWidth - kLeft - 48));
  const y = (value: number) => 8 + (1 - (value - low) / (1 - low || 1)) * (kHeight - kBottom - 8);
  const ticks = Array.from({ length: 11 }, (_, i) => i / 10).filter((tick) => tick >= low);
  const series = [
    { name: 'F1 score', className: 'f1', of: (point: Point) => point.f1, shift: -4 },
    { name: 'AUROC', className: 'auroc', of: (point: Point) => point.auroc, shift: 4 },
  ];
  return (
    <svg className="learning" viewBox={`0 0 ${kWidth} ${kHeight}`} role="img" aria-label="F1 score and AUROC over the number of training pictures; the table below has the figures">
      {ticks.map((tick) => (
        <g key={tick}>
          <line className="grid" x1={kLeft} x2={kWidth} y1={y(tick)} y2={y(tick)} />
          <text x={kLeft - 8} y={y(tick) + 4} textAnchor="end">{`${Math.round(100 * tick)} %`}</text>
        </g>
      ))}
      {[...new Set(points.map(({ pictures }) => pictures))].map((pictures) => (
        <text key={pictures} x={x(pictures)} y={kHeight - 8} textAnchor="middle">
          {count(pictures)}
        </text>
      ))}
      {series.map(({ name, className, of, shift }) => (
        <g key={name} className={className}>
          <polyline points={points.flatMap((point) => (of(point) ? [`${x(point.pictures) + shift},${y(of(point)!.value)}`] : [])).join(' ')} />
          {points.map((point) => {
            const figure = of(point);
            if (!figure) return null;
            const at = x(point.pictures) + shift;
            return (
              <g key={point.version}>
                <title>{`Model ${point.version}: ${name} ${percent(figure.value)}, 95 % sure: ${percent(figure.low, 0)} to ${percent(figure.high, 0)}`}</title>
                <line x1={at} x2={at} y1={y(figure.low)} y2={y(figure.high)} />
                <circle cx={at} cy={y(figure.value)} r={4.5} />
              </g>
            );
          })}
        </g>
      ))}
    </svg>
  );
}

const show = (figure: Figure | undefined) => (figure ? `${percent(figure.value)} (${percent(figure.low, 0)} to ${percent(figure.high, 0)})` : '–');

function Curve({ project, versions }: { project: string; versions: string[] }) {
  const { client } = useSession();
  const evaluations = useQueries({ queries: versions.map((version) => evaluationQuery(client, project, version)) });
  const error = evaluations.find((one) => one.error)?.error;
  if (error) return <Box color="text-status-error">{sentenceOf(error)}</Box>;
  if (evaluations.some(({ isPending }) => isPending)) return <Spinner />;
  const points = evaluations.flatMap(({ data }, i) => (data ? [pointOf(versions[i]!, data.summary, data.pictures)] : [])).filter(({ f1, pictures }) => f1 && pictures > 0);
  points.sort((a, b) => a.pictures - b.pictures || Number(a.version) - Number(b.version));
  return (
    <SpaceBetween size="m">
      <Box>{outlook(points)}</Box>
      {points.length > 1 && (
        <div>
          <Chart points={points} />
          <Box fontSize="body-s">
            <span className="legend-normal" />
            F1 score
            <span className="legend-anomaly" />
            AUROC (how well the scores rank). The bars are 95 % intervals.
          </Box>
        </div>
      )}
      {points.length > 0 && (
        <Table
          variant="embedded"
          items={points}
          trackBy="version"
          ariaLabels={{ tableLabel: 'Versions by their number of training pictures' }}
          columnDefinitions={[
            { id: 'version', header: 'Model', cell: ({ version }) => <Link href={href(paths.model(project, version))}>{`Model ${version}`}</Link>, isRowHeader: true },
            { id: 'pictures', header: 'Training pictures', cell: ({ pictures }) => count(pictures) },
            { id: 'f1', header: 'F1 score (95 % interval)', cell: ({ f1 }) => show(f1) },
            { id: 'auroc', header: 'AUROC (95 % interval)', cell: ({ auroc }) => show(auroc) },
          ]}
        />
      )}
      <Box color="text-body-secondary" fontSize="body-s">
        Versions whose evaluation was on training pictures judged other pictures each, so a difference may also come from those. Two versions are compared picture by picture with <i>Compare</i>.
      </Box>
    </SpaceBetween>
  );
}

export function LearningCurve({ project, versions }: { project: string; versions: string[] }) {
  const [isOpen, setOpen] = useState(false);
  if (versions.length === 0) return null;
  const newest = [...versions].sort((a, b) => Number(b) - Number(a)).slice(0, kMostVersions);
  return (
    <ExpandableSection variant="container" headerText="Would more pictures help?" headerDescription="The figures of the versions over the number of their training pictures." expanded={isOpen} onChange={({ detail }) => setOpen(detail.expanded)}>
      {isOpen && <Curve project={project} versions={newest} />}
    </ExpandableSection>
  );
}
