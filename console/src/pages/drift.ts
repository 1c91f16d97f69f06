// Whether the pictures that a model judges still look like those of its training: what the server's figures say in words.
import type { Client } from '../api/client.ts';
import type { Datapoint, ModelStream, TrainingStatistic } from '../api/generated.ts';

export type Statistic = NonNullable<TrainingStatistic['MetricName']>;

/** Pictures that have to be judged before the server compares them with the training (vision/infer/drift.hpp). */
export const kLeastPictures = 20;

const hour = 3600;
export const frames = [
  { value: 'hour', label: 'Last hour', seconds: hour, period: 60 },
  { value: 'day', label: 'Last day', seconds: 24 * hour, period: 900 },
  { value: 'week', label: 'Last week', seconds: 7 * 24 * hour, period: 2 * hour },
  { value: 'month', label: 'Last four weeks', seconds: 28 * 24 * hour, period: 6 * hour },
];
export type Frame = (typeof frames)[number];

export interface Point {
  time: Date;
  value: number;
}

/** What the metrics of all nodes know of a model in a time frame. Times without pictures have no points. */
export interface History {
  start: Date;
  end: Date;
  images: number;
  anomalies: number;
  /** Pictures per period. */
  judged: Point[];
  share: Point[];
  statistics: Record<Statistic, { points: Point[]; mean: number | undefined }>;
  /** The beginnings of the periods in which the latest pictures were unlike the training at some time. */
  alarms: Date[];
  /** Whether the pictures were unlike the training when that was last known; undefined if it was not. */
  wasUnlike: boolean | undefined;
}

export const statistics: Record<Statistic, { label: string; above: string; below: string; explanation: string }> = {
  AnomalyScore: { label: 'Anomaly score of normal pictures', above: 'closer to anomalous', below: 'farther from anomalous', explanation: 'Pictures that were found anomalous are left out.' },
  Brightness: { label: 'Brightness', above: 'brighter', below: 'darker', explanation: '0 is black, 1 is white.' },
  Sharpness: { label: 'Sharpness', above: 'sharper', below: 'less sharp', explanation: 'It falls when a lens is out of focus or dirty.' },
  Level: { label: 'Oddness as a whole', above: 'odder as a whole', below: 'more alike as a whole', explanation: 'It rises with another material, another camera or another part.' },
};
const names = Object.keys(statistics) as Statistic[];

const pointsOf = (data: Datapoint[], value: (point: Datapoint) => number | undefined): Point[] =>
  data.flatMap((point) => (point.SampleCount ? [{ time: new Date(point.Timestamp! * 1000), value: value(point) ?? 0 }] : []));
const total = (data: Datapoint[], of: 'Sum' | 'SampleCount') => data.reduce((sum, point) => sum + (point[of] ?? 0), 0);

export async function readHistory(client: Client, project: string, version: string, frame: Frame, signal: AbortSignal): Promise<History> {
  // Periods begin at multiples of their length, so that charts do not change with each look.
  const end = Math.ceil(Date.now() / 1000 / frame.period) * frame.period;
  const start = end - frame.seconds;
  type Name = Statistic | 'ProcessedImageCount' | 'DetectedAnomalyCount' | 'StreamUnlikeTraining';
  const read = async (MetricName: Name) => {
    const input = { MetricName, StartTime: start, EndTime: end, Period: frame.period, ProjectName: project, ModelVersion: version };
    return (await client.call('GetMetricStatistics', input, { signal })).Datapoints ?? [];
  };
  const [judged, anomalous, alarm, ...data] = await Promise.all([read('ProcessedImageCount'), read('DetectedAnomalyCount'), read('StreamUnlikeTraining'), ...names.map(read)]);
  const anomalies = new Map(anomalous.map((point) => [point.Timestamp, point.Sum ?? 0]));
  return {
    start: new Date(start * 1000),
    end: new Date(end * 1000),
    images: total(judged, 'Sum'),
    anomalies: total(anomalous, 'Sum'),
    judged: pointsOf(judged, (point) => point.Sum),
    share: pointsOf(judged, (point) => (anomalies.get(point.Timestamp) ?? 0) / (point.Sum || 1)),
    statistics: Object.fromEntries(
      names.map((name, i) => [name, { points: pointsOf(data[i]!, (point) => point.Average), mean: total(data[i]!, 'SampleCount') ? total(data[i]!, 'Sum') / total(data[i]!, 'SampleCount') : undefined }]),
    ) as History['statistics'],
    alarms: alarm.filter((point) => (point.Maximum ?? 0) > 0).map((point) => new Date(point.Timestamp! * 1000)),
    wasUnlike: alarm.length ? (alarm.at(-1)!.Maximum ?? 0) > 0 : undefined,
  };
}

/** How a mean lies to what nine in ten good training pictures had: "brighter", or undefined if it lies among them. */
export function differenceOf(name: Statistic, mean: number | undefined, training: TrainingStatistic | undefined): string | undefined {
  if (mean === undefined || training?.Low === undefined || training.High === undefined) return undefined;
  return mean > training.High ? statistics[name].above : mean < training.Low ? statistics[name].below : undefined;
}

/** "a", "a and b", "a, b and c" */
export const listed = (words: string[]) => (words.length < 2 ? (words[0] ?? '') : `${words.slice(0, -1).join(', ')} and ${words.at(-1)}`);

export type DriftState = 'alarm' | 'earlierAlarm' | 'like' | 'tooFew' | 'unknown' | 'notServed';

/**
 * The state of the stream. The server compares what it judged since its start; until these are enough pictures, what was
 * last known counts if it was an alarm.
 */
export function stateOf(stream: ModelStream | undefined, knowsTraining: boolean, history: Pick<History, 'wasUnlike'> | undefined): DriftState {
  if (!knowsTraining || stream?.State === 'UNKNOWN') return 'unknown';
  if (stream?.State === 'UNLIKE_TRAINING') return 'alarm';
  if (stream?.State === 'LIKE_TRAINING') return 'like';
  if (history?.wasUnlike) return 'earlierAlarm';
  return stream ? 'tooFew' : 'notServed';
}
