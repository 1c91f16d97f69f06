// The latest check of a project's datasets, the pictures as they are now, and what is to be changed.
import { useCallback, useMemo, useState } from 'react';
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { isNotFound, sentenceOf } from '../api/errors.ts';
import type { DatasetCheck } from '../api/generated.ts';
import { keys } from '../api/queries.ts';
import { datasetSource } from '../gallery/dataset_source.ts';
import type { GalleryRow, Label } from '../gallery/rows.ts';
import { saveLabels, type Change, type DatasetType } from '../gallery/saving.ts';
import { useSession } from '../session/session.tsx';
import { keepChanges, readChanges } from './kept_changes.ts';
import { keyOf, type Picture, type PictureChange } from './findings.ts';

const kPage = 5000;

/** The check, or null if there has been none. It is asked for again while it runs. */
export function useDatasetCheck(project: string) {
  const { client } = useSession();
  return useQuery<DatasetCheck | null>({
    queryKey: keys.datasetCheck(project),
    queryFn: async ({ signal }) => {
      try {
        return (await client.call('DescribeDatasetCheck', { ProjectName: project }, { signal })).DatasetCheck ?? null;
      } catch (error) {
        if (isNotFound(error)) return null;
        throw error;
      }
    },
    refetchInterval: ({ state }) => (state.data?.Status === 'RUNNING' ? 1000 : false),
  });
}

/** All pictures of a dataset by their names; none if there is no such dataset. */
function useRows(project: string, type: DatasetType, isWanted: boolean) {
  const { client } = useSession();
  return useQuery({
    queryKey: [...keys.dataset(project, type), 'rows'],
    enabled: isWanted,
    queryFn: async ({ signal }) => {
      const source = datasetSource(client, project, type);
      const rows = new Map<string, GalleryRow>();
      try {
        for (let offset = 0; ; offset += kPage) {
          const page = await source.list(offset, kPage, signal);
          for (const row of page.rows) rows.set(row.sourceRef, row);
          if (page.rows.length === 0 || offset + page.rows.length >= page.total) return rows;
        }
      } catch (error) {
        if (isNotFound(error)) return rows;
        throw error;
      }
    },
  });
}

export interface Doctor {
  /** Undefined until the datasets are read. */
  rowOf: ((picture: Picture) => GalleryRow | undefined) | undefined;
  labelOf(picture: Picture): Label | undefined;
  changes: ReadonlyMap<string, PictureChange>;
  changeOf(picture: Picture | undefined): Change | undefined;
  apply(changes: readonly PictureChange[]): void;
  undo(pictures: readonly Picture[]): void;
  discard(): void;
  save(): void;
  saving: { done: number; total: number } | undefined;
  problem: string | undefined;
}

export function useDoctor(project: string, isWanted: boolean): Doctor {
  const { client, arn, region } = useSession();
  const queries = useQueryClient();
  const scope = [arn, region, project].join(' ');
  const train = useRows(project, 'train', isWanted);
  const test = useRows(project, 'test', isWanted);
  const [changes, setChanges] = useState<ReadonlyMap<string, PictureChange>>(() => readChanges(scope, sessionStorage));
  const [saving, setSaving] = useState<{ done: number; total: number }>();
  const [saveProblem, setSaveProblem] = useState<string>();

  const change = useCallback(
    (edit: (map: Map<string, PictureChange>) => void) =>
      setChanges((before) => {
        const after = new Map(before);
        edit(after);
        keepChanges(scope, after, sessionStorage);
        return after;
      }),
    [scope],
  );
  const rows = train.data && test.data ? { train: train.data, test: test.data } : undefined;
  const rowOf = useMemo(() => rows && (({ type, sourceRef }: Picture) => rows[type].get(sourceRef)), [train.data, test.data]);

  async function save() {
    setSaveProblem(undefined);
    const total = changes.size;
    let done = 0;
    setSaving({ done, total });
    try {
      for (const type of ['train', 'test'] as const) {
        const mine = [...changes.values()].filter(({ picture }) => picture.type === type);
        if (mine.length === 0) continue;
        await saveLabels(client, project, type, new Map(mine.map(({ picture, change: wanted }) => [picture.sourceRef, wanted])), (sourceRefs) => {
          done += sourceRefs.length;
          setSaving({ done, total });
          change((map) => sourceRefs.forEach((sourceRef) => map.delete(keyOf({ type, sourceRef }))));
        });
      }
    } catch (error) {
      setSaveProblem(sentenceOf(error));
    } finally {
      await Promise.all([
        queries.invalidateQueries({ queryKey: keys.dataset(project, 'train') }),
        queries.invalidateQueries({ queryKey: keys.dataset(project, 'test') }),
        queries.invalidateQueries({ queryKey: keys.datasetCheck(project) }),
      ]);
      setSaving(undefined);
    }
  }

  const readProblem = train.error ?? test.error;
  return {
    rowOf,
    labelOf: (picture) => rowOf?.(picture)?.label,
    changes,
    changeOf: (picture) => picture && changes.get(keyOf(picture))?.change,
    apply: (list) => change((map) => list.forEach((one) => map.set(keyOf(one.picture), one))),
    undo: (pictures) => change((map) => pictures.forEach((picture) => map.delete(keyOf(picture)))),
    discard: () => change((map) => map.clear()),
    save: () => void save(),
    saving,
    problem: saveProblem ?? (readProblem ? sentenceOf(readProblem) : undefined),
  };
}
