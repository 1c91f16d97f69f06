// The pictures that a training judged: which class is called what, and the pictures themselves, right and wrong.
import { useDeferredValue, useMemo, useRef, useState } from 'react';
import { useQuery } from '@tanstack/react-query';
import Box from '@cloudscape-design/components/box';
import Container from '@cloudscape-design/components/container';
import ExpandableSection from '@cloudscape-design/components/expandable-section';
import Header from '@cloudscape-design/components/header';
import Link from '@cloudscape-design/components/link';
import SpaceBetween from '@cloudscape-design/components/space-between';
import Table from '@cloudscape-design/components/table';
import { keys } from '../api/queries.ts';
import { count, percent, plural } from '../app/format.ts';
import { kAnomaly, kNormal, nameOf } from '../gallery/rows.ts';
import { RowsGallery } from '../gallery/rows_gallery.tsx';
import type { Query } from '../gallery/view.ts';
import { useSession } from '../session/session.tsx';
import { confusionOf, rowsOf, type ActualClass } from './confusion.ts';
import type { Evaluation } from './evaluation.ts';

/** What the model got wrong, and was surest of, comes first. */
const kWorstFirst: Partial<Query> = { order: 'disagreement' };
const kPage = 5000;

interface Props {
  project: string;
  version: string;
  evaluation: Evaluation;
  /** By which the pictures are called anomalous; without one, the verdicts are those of the training. */
  threshold: number | undefined;
  /** Whether the model judges by this threshold already. */
  isInForce: boolean;
}

/** The masks that the pictures of a dataset have now, by picture. Those that it does not hold any more have none. */
function useMasks(project: string, type: 'train' | 'test') {
  const { client } = useSession();
  return useQuery({
    queryKey: [...keys.dataset(project, type), 'masks'],
    staleTime: 60_000,
    retry: false,
    queryFn: async ({ signal }) => {
      const masks = new Map<string, string>();
      for (let offset = 0, total = 1; offset < total; offset += kPage) {
        const page = await client.call('ListDatasetImages', { ProjectName: project, DatasetType: type, Offset: offset, MaxResults: kPage }, { signal });
        total = page.TotalCount ?? 0;
        for (const { SourceRef, MaskRef } of page.Images ?? []) if (MaskRef) masks.set(SourceRef!, MaskRef);
      }
      return masks;
    },
  });
}

export default function ModelPictures({ project, version, evaluation, threshold, isInForce }: Props) {
  const shown = useDeferredValue(threshold); // The line of the histogram moves at once, the pictures when there is time.
  const isOutOfFold = evaluation.summary.EvaluatedOn === 'OUT_OF_FOLD';
  const masks = useMasks(project, isOutOfFold ? 'train' : 'test').data;
  const rows = useMemo(
    () => rowsOf(evaluation.pictures, shown).map((row) => ({ ...row, ...(row.label === kAnomaly && { maskRef: masks?.get(row.sourceRef) }) })),
    [evaluation, shown, masks],
  );
  const looking = useMemo(
    () => ({ project, version, ...(isOutOfFold && { note: 'The verdict was given by models that had not seen the picture; here the whole model looks, which has.' }) }),
    [project, version, isOutOfFold],
  );
  const [query, setQuery] = useState(kWorstFirst);
  const gallery = useRef<HTMLDivElement>(null);
  const wrong = rows.filter((row) => row.verdict !== row.label).length;
  const skipped = evaluation.pictures.filter(({ SkippedReason }) => SkippedReason);
  const suspects = evaluation.pictures.filter(({ IsSuspect }) => IsSuspect);
  const by =
    shown === undefined
      ? 'Counted with the verdicts of the training.'
      : isInForce
        ? `Counted with the threshold in force, ${shown.toPrecision(3)}.`
        : `Counted with the threshold that the slider shows, ${shown.toPrecision(3)}. It is not in force.`;

  const show = ({ name, has }: ActualClass, isCalledAnomalous: boolean) => {
    const verdict = isCalledAnomalous ? kAnomaly : kNormal;
    setQuery({ ...kWorstFirst, search: '', filter: 'all', only: { title: `${name}, called ${isCalledAnomalous ? 'anomalous' : 'normal'}`, has: (row) => has(row) && row.verdict === verdict } });
    gallery.current?.scrollIntoView({ block: 'nearest' });
  };
  const cell = (one: ActualClass, isCalledAnomalous: boolean) => {
    const number = isCalledAnomalous ? one.calledAnomalous : one.calledNormal;
    if (number === 0) return '0';
    const isWrong = one.isAnomaly !== isCalledAnomalous;
    return (
      <Link
        variant="primary"
        ariaLabel={`Show ${plural(number, 'picture')}: ${one.name}, called ${isCalledAnomalous ? 'anomalous' : 'normal'}`}
        onFollow={(event) => {
          event.preventDefault();
          show(one, isCalledAnomalous);
        }}
      >
        {isWrong ? <strong>{count(number)}</strong> : count(number)}
      </Link>
    );
  };
  return (
    <SpaceBetween size="l">
      <Table
        header={
          <Header variant="h2" description={`${by} A number shows its pictures below. A picture with several labels counts in the row of each.`}>
            Confusion by class
          </Header>
        }
        items={confusionOf(rows)}
        trackBy="name"
        columnDefinitions={[
          { id: 'actual', header: 'Actual class', cell: ({ name }) => name, isRowHeader: true },
          { id: 'normal', header: 'Called normal', cell: (one) => cell(one, false) },
          { id: 'anomalous', header: 'Called anomalous', cell: (one) => cell(one, true) },
          {
            id: 'right',
            header: 'Right',
            cell: ({ isAnomaly, calledNormal, calledAnomalous }) => percent((isAnomaly ? calledAnomalous : calledNormal) / (calledNormal + calledAnomalous), 0),
          },
        ]}
        ariaLabels={{ tableLabel: 'Confusion by class' }}
        empty={<Box>No picture was judged.</Box>}
      />
      <div ref={gallery}>
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
            <RowsGallery rows={rows} name="Test results" height={560} looking={looking} query={query} empty={<Box>No picture was judged.</Box>} />
          </SpaceBetween>
        </Container>
      </div>
    </SpaceBetween>
  );
}
