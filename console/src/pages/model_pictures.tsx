// The pictures that a training judged, right and wrong, as a gallery.
import { useMemo } from 'react';
import Box from '@cloudscape-design/components/box';
import Container from '@cloudscape-design/components/container';
import ExpandableSection from '@cloudscape-design/components/expandable-section';
import Header from '@cloudscape-design/components/header';
import SpaceBetween from '@cloudscape-design/components/space-between';
import { plural } from '../app/format.ts';
import { fetchThumbnails } from '../gallery/dataset_source.ts';
import { kAnomaly, kNormal, kUnlabelled, nameOf, type GalleryRow, type GallerySource } from '../gallery/rows.ts';
import { SourceGallery } from '../gallery/source_gallery.tsx';
import { useSession } from '../session/session.tsx';
import type { Evaluation } from './model_performance.tsx';

const classOf = (name: 'normal' | 'anomaly' | undefined) => (name === 'normal' ? kNormal : name === 'anomaly' ? kAnomaly : kUnlabelled);

/** What the model got wrong, and was surest of, comes first. */
const kWorstFirst = { order: 'disagreement' } as const;

export default function ModelPictures({ evaluation }: { project: string; version: string; evaluation: Evaluation }) {
  const { client } = useSession();
  const rows = useMemo<GalleryRow[]>(
    () =>
      evaluation.pictures
        .filter(({ SkippedReason }) => !SkippedReason)
        .map(({ SourceRef, Label, Verdict, AnomalyScore, Confidence }) => ({
          sourceRef: SourceRef!,
          name: nameOf(SourceRef!),
          label: classOf(Label),
          anomalyLabels: [],
          verdict: classOf(Verdict),
          score: AnomalyScore,
          confidence: Confidence,
        })),
    [evaluation],
  );
  const source = useMemo<GallerySource>(
    () => ({
      list: async (offset, count) => ({ total: rows.length, rows: rows.slice(offset, offset + count) }),
      thumbnails: (refs, signal) => fetchThumbnails(client, refs, signal),
    }),
    [client, rows],
  );
  const wrong = rows.filter((row) => row.verdict !== row.label).length;
  const skipped = evaluation.pictures.filter(({ SkippedReason }) => SkippedReason);
  const suspects = evaluation.pictures.filter(({ IsSuspect }) => IsSuspect);
  return (
    <Container
      header={
        <Header variant="h2" description={`${plural(rows.length - wrong, 'correct prediction')}, ${plural(wrong, 'incorrect prediction')}`}>
          Test results overview
        </Header>
      }
    >
      <SpaceBetween size="m">
        {suspects.length > 0 && (
          <ExpandableSection headerText={`${plural(suspects.length, 'label looks', 'labels look')} wrong`} defaultExpanded>
            <Box>Look at these pictures again. If a label is wrong, correct it in the dataset and train again.</Box>
            <ul className="failures">
              {suspects.map(({ SourceRef, Label }) => (
                <li key={SourceRef}>
                  <code>{nameOf(SourceRef!)}</code>, labelled {Label}
                </li>
              ))}
            </ul>
          </ExpandableSection>
        )}
        {skipped.length > 0 && (
          <ExpandableSection headerText={`${plural(skipped.length, 'picture was', 'pictures were')} left out`}>
            <ul className="failures">
              {skipped.map(({ SourceRef, SkippedReason }) => (
                <li key={SourceRef}>
                  <code>{nameOf(SourceRef!)}</code>: {SkippedReason}
                </li>
              ))}
            </ul>
          </ExpandableSection>
        )}
        <SourceGallery source={source} name="Test results" height={560} query={kWorstFirst} empty={<Box>No picture was judged.</Box>} />
      </SpaceBetween>
    </Container>
  );
}
