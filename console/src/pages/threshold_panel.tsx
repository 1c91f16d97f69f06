// Moves the threshold of a model, and shows beforehand what that would do.
import { useEffect, useMemo, useState } from 'react';
import { useQuery, useQueryClient } from '@tanstack/react-query';
import Alert from '@cloudscape-design/components/alert';
import Box from '@cloudscape-design/components/box';
import Button from '@cloudscape-design/components/button';
import ColumnLayout from '@cloudscape-design/components/column-layout';
import Container from '@cloudscape-design/components/container';
import FormField from '@cloudscape-design/components/form-field';
import Header from '@cloudscape-design/components/header';
import Input from '@cloudscape-design/components/input';
import SpaceBetween from '@cloudscape-design/components/space-between';
import { sentenceOf } from '../api/errors.ts';
import type { EvaluatedPicture } from '../api/generated.ts';
import { ActionButton } from '../app/allowed.tsx';
import { count, percent, plural, time } from '../app/format.ts';
import { useMessages } from '../app/messages.tsx';
import { useSession } from '../session/session.tsx';
import { ScoreHistogram } from './score_histogram.tsx';
import { countAt, histogram, interval, judgedOf, ScoreAxis, thresholdFor } from './threshold.ts';

/** The least threshold that the server takes is above 0. */
const kLeast = 1e-6;

const keyOf = (project: string, version: string) => ['threshold', project, version];

/** The threshold of a model, and the one that a person looks at before it is put in force. */
export function useThreshold(project: string, version: string) {
  const { client } = useSession();
  const stored = useQuery({
    queryKey: keyOf(project, version),
    queryFn: ({ signal }) => client.call('DescribeModelThreshold', { ProjectName: project, ModelVersion: version }, { signal }),
  });
  const [chosen, setChosen] = useState<number>();
  useEffect(() => setChosen(undefined), [stored.data?.Threshold]);
  return { stored, chosen, setChosen, shown: chosen ?? stored.data?.Threshold };
}

interface Props {
  project: string;
  version: string;
  pictures: EvaluatedPicture[];
  threshold: ReturnType<typeof useThreshold>;
}

export function ThresholdPanel({ project, version, pictures, threshold: { stored, chosen, setChosen } }: Props) {
  const { client } = useSession();
  const queries = useQueryClient();
  const messages = useMessages();
  const key = keyOf(project, version);
  const model = { ProjectName: project, ModelVersion: version };
  const [budget, setBudget] = useState('');
  const [busy, setBusy] = useState(false);

  const judged = useMemo(() => judgedOf(pictures), [pictures]);
  const { Threshold: current, TrainedThreshold: trained } = stored.data ?? {};
  const { axis, low, high, bins } = useMemo(() => {
    const line = new ScoreAxis(judged, trained ?? 0);
    const places = [...judged.map(({ score }) => line.at(score)), line.at(trained ?? 0)];
    const ends = { low: Math.min(...places), high: Math.max(...places) };
    const margin = (ends.high - ends.low) * 0.04 || 1;
    // Thresholds are positive.
    ends.low = Math.max(ends.low - margin, line.at(kLeast));
    ends.high += margin;
    return { axis: line, ...ends, bins: histogram(judged, line, ends.low, ends.high, 60) };
  }, [judged, trained]);

  if (stored.error) return <Alert type="error">{sentenceOf(stored.error)}</Alert>;
  if (current === undefined || trained === undefined || judged.length === 0) return null;
  const threshold = chosen ?? current;
  const now = countAt(judged, threshold);
  const good = now.falsePositives + now.trueNegatives;
  const range = interval(now.falsePositives, good);
  const moved = Math.abs(threshold - current) > 1e-9 * Math.max(1, Math.abs(current));

  async function save(value: number | undefined) {
    setBusy(true);
    try {
      await client.call('UpdateModelThreshold', { ...model, ...(value === undefined ? {} : { Threshold: value }) });
      messages.succeed(value === undefined ? 'The threshold is that of the training again.' : 'The threshold was moved. From now on the model judges by it.');
      setChosen(undefined);
    } catch (error) {
      messages.fail('The threshold was not moved', error);
    }
    await queries.invalidateQueries({ queryKey: key });
    await queries.invalidateQueries({ queryKey: ['project', project] });
    setBusy(false);
  }

  function applyBudget(text: string) {
    setBudget(text);
    const oneIn = Number(text);
    if (!(oneIn >= 1)) return;
    const value = thresholdFor(judged, Math.floor(good / oneIn));
    if (value !== undefined) setChosen(Math.min(axis.scoreAt(high), Math.max(axis.scoreAt(low), value)));
  }

  return (
    <Container
      header={
        <Header
          variant="h2"
          description="Pictures whose score reaches the threshold are called anomalous. A lower one misses less and raises more false alarms."
          actions={
            <SpaceBetween direction="horizontal" size="xs">
              {moved && (
                <Button variant="link" onClick={() => setChosen(undefined)}>
                  Undo
                </Button>
              )}
              {current !== trained && (
                <ActionButton action="vedette:UpdateModelThreshold" loading={busy} onClick={() => void save(undefined)}>
                  Back to the training's
                </ActionButton>
              )}
              <ActionButton action="vedette:UpdateModelThreshold" variant="primary" disabled={!moved} loading={busy} onClick={() => void save(threshold)}>
                Use this threshold
              </ActionButton>
            </SpaceBetween>
          }
        >
          Threshold
        </Header>
      }
    >
      <SpaceBetween size="m">
        <div>
          <ScoreHistogram
            {...{ bins, axis, low, high, threshold, trained }}
            effect={`${plural(now.falseNegatives, 'anomalous picture')} missed, ${plural(now.falsePositives, 'false alarm')}`}
            onMove={setChosen}
          />
          <Box fontSize="body-s">
            <span className="legend-normal" />
            normal pictures
            <span className="legend-anomaly" />
            anomalous pictures. Drag the red line, or move it with the arrow keys; the dashed one is where the training put it.
          </Box>
        </div>
        <ColumnLayout columns={4} minColumnWidth={170} variant="text-grid">
          <div>
            <Box variant="awsui-key-label">Found</Box>
            {count(now.truePositives)} of {plural(now.truePositives + now.falseNegatives, 'anomalous picture')} ({percent(now.recall, 0)})
          </div>
          <div>
            <Box variant="awsui-key-label">Missed</Box>
            {plural(now.falseNegatives, 'anomalous picture')}
          </div>
          <div>
            <Box variant="awsui-key-label">False alarms</Box>
            {count(now.falsePositives)} of {plural(good, 'good picture')}
            {range && (
              <Box color="text-body-secondary" fontSize="body-s">
                of 1,000 good parts {count(Math.round(1000 * range[0]))} to {count(Math.round(1000 * range[1]))} (95 % sure)
              </Box>
            )}
          </div>
          <div>
            <Box variant="awsui-key-label">Precision and F1 score</Box>
            {percent(now.precision)}, {percent(now.f1)}
          </div>
        </ColumnLayout>
        <FormField label="False-alarm budget" description="At most one false alarm in this many good pictures, as far as these pictures can tell.">
          <Input value={budget} type="number" inputMode="numeric" placeholder="200" ariaLabel="False-alarm budget" onChange={({ detail }) => applyBudget(detail.value)} />
        </FormField>
        {Number(budget) > good && (
          <Alert type="info">
            Only {plural(good, 'good picture')} were judged. One false alarm in {count(Number(budget))} cannot be promised with fewer than that many.
          </Alert>
        )}
        <Box color="text-body-secondary" fontSize="body-s">
          These counts use one threshold for all pictures. For the figures above, each picture was judged with a threshold that was chosen without it, which is what new
          pictures will meet.{' '}
          {stored.data?.ChangedBy
            ? `The threshold was moved by ${stored.data.ChangedBy}, ${time(stored.data.ChangedAt)}. The training had put it at ${trained.toPrecision(3)}; it is ${current.toPrecision(3)} now.`
            : `The training put the threshold at ${trained.toPrecision(3)}.`}
        </Box>
      </SpaceBetween>
    </Container>
  );
}
