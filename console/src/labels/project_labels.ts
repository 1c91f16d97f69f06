// The anomaly labels of a project: those that masks of its datasets hold, in the colours of their colour maps, and those that a
// person added here and has not drawn with yet.
import { useCallback, useMemo, useState } from 'react';
import { useQuery } from '@tanstack/react-query';
import type { Client } from '../api/client.ts';
import { isNotFound } from '../api/errors.ts';
import { keys } from '../api/queries.ts';
import { useSession } from '../session/session.tsx';
import { isColour, joinLabels, nextColour, type Label } from './colours.ts';
import { parseEntry, renamedLine, type Entry } from './lines.ts';
import { updateEntries } from './update.ts';

export type DatasetType = 'train' | 'test';

/** A picture of a dataset, as lists of a dataset have it. */
export interface Listed {
  sourceRef: string;
  label: 'NORMAL' | 'ANOMALY' | undefined;
  anomalyLabels: readonly string[];
}

const kPage = 5000;

/** All pictures of a dataset in its order; none if there is no such dataset. */
export async function listPictures(client: Client, project: string, type: DatasetType, signal?: AbortSignal): Promise<Listed[]> {
  const listed: Listed[] = [];
  try {
    for (;;) {
      const { TotalCount, Images } = await client.call('ListDatasetImages', { ProjectName: project, DatasetType: type, Offset: listed.length, MaxResults: kPage }, { signal });
      for (const { SourceRef, Label, AnomalyLabels } of Images ?? []) listed.push({ sourceRef: SourceRef!, label: Label, anomalyLabels: AnomalyLabels ?? [] });
      if (!Images?.length || listed.length >= (TotalCount ?? 0)) return listed;
    }
  } catch (error) {
    if (isNotFound(error)) return [];
    throw error;
  }
}

/** The entry of one picture, or null if the dataset has none. */
export async function findDatasetEntry(client: Client, project: string, type: DatasetType, sourceRef: string, signal?: AbortSignal): Promise<Entry | null> {
  let token: string | undefined;
  do {
    const page = await client.call('ListDatasetEntries', { ProjectName: project, DatasetType: type, SourceRefContains: sourceRef, MaxResults: 100, NextToken: token }, { signal });
    for (const line of page.DatasetEntries ?? []) {
      const entry = parseEntry(line);
      if (entry?.sourceRef === sourceRef) return entry;
    }
    token = page.NextToken;
  } while (token);
  return null;
}

/** The pictures of a dataset, kept while the page goes from one to the next. */
export function usePictures(project: string, type: DatasetType) {
  const { client } = useSession();
  return useQuery({ queryKey: [...keys.dataset(project, type), 'pictures'], queryFn: ({ signal }) => listPictures(client, project, type, signal), staleTime: 60_000, refetchOnWindowFocus: false });
}

/** Labels are named by the lists; their colours stand in the lines of pictures that hold them. */
async function readLabels(client: Client, project: string, lists: Record<DatasetType, readonly Listed[]>, signal: AbortSignal): Promise<Label[]> {
  const found = new Map<string, Label>();
  const order: string[] = [];
  for (const type of ['train', 'test'] as const)
    for (const { sourceRef, anomalyLabels } of lists[type]) {
      for (const name of anomalyLabels) if (!order.includes(name)) order.push(name);
      if (anomalyLabels.every((name) => found.has(name))) continue;
      const entry = await findDatasetEntry(client, project, type, sourceRef, signal);
      for (const label of entry?.mask?.labels ?? []) if (!found.has(label.name)) found.set(label.name, label);
      for (const name of anomalyLabels) if (!found.has(name)) found.set(name, { name, colour: '' });
    }
  return joinLabels([order.map((name) => found.get(name)!)]);
}

/** Gives labels of a dataset other names, in every line that has them. Colours and masks stay. Returns how many lines changed. */
export async function renameLabels(client: Client, project: string, type: DatasetType, names: ReadonlyMap<string, string>, onProgress?: (done: number, of: number) => void): Promise<number> {
  const entries = await client.all('ListDatasetEntries', 'DatasetEntries', { ProjectName: project, DatasetType: type, MaxResults: 100 });
  const lines = entries.flatMap((line) => renamedLine(line, names) ?? []);
  if (lines.length) await updateEntries(client, project, type, lines, onProgress);
  return lines.length;
}

const addedKey = (region: string, project: string) => `vedette.labels.${region}.${project}`;

function readAdded(key: string): Label[] {
  try {
    const value: unknown = JSON.parse(localStorage.getItem(key) ?? '[]');
    return Array.isArray(value) ? value.filter((one): one is Label => typeof one?.name === 'string' && isColour(one?.colour)) : [];
  } catch {
    return [];
  }
}

/** `labels` is undefined until they are known. */
export function useProjectLabels(project: string) {
  const { client, region } = useSession();
  const train = usePictures(project, 'train');
  const test = usePictures(project, 'test');
  const key = addedKey(region, project);
  const [added, setAdded] = useState(() => readAdded(key));
  const lists = train.data && test.data ? { train: train.data, test: test.data } : undefined;
  const known = useQuery({
    queryKey: [...keys.project(project), 'labels'],
    queryFn: ({ signal }) => readLabels(client, project, lists!, signal),
    enabled: lists !== undefined,
    staleTime: Infinity,
    refetchOnWindowFocus: false,
  });
  const labels = useMemo(() => (known.data ? joinLabels([known.data, added]) : undefined), [known.data, added]);
  const add = useCallback(
    (name: string) =>
      setAdded((before) => {
        const taken = [...(known.data ?? []), ...before].map((label) => label.colour);
        const after = [...before, { name, colour: nextColour(taken) }];
        try {
          localStorage.setItem(key, JSON.stringify(after));
        } catch {
          // The label still lasts as long as the page.
        }
        return after;
      }),
    [known.data, key],
  );
  /** Forgets or renames labels that a person added here. */
  const changeAdded = useCallback(
    (names: ReadonlyMap<string, string | null>) =>
      setAdded((before) => {
        const after = before.flatMap((label) => {
          const name = names.get(label.name);
          return name === null ? [] : [{ ...label, name: name ?? label.name }];
        });
        try {
          localStorage.setItem(key, JSON.stringify(after));
        } catch {
          // The change still lasts as long as the page.
        }
        return after;
      }),
    [key],
  );
  /** How many pictures of both datasets have each label. */
  const uses = useMemo(() => {
    const counts = new Map<string, number>();
    for (const { anomalyLabels } of [...(train.data ?? []), ...(test.data ?? [])]) for (const name of anomalyLabels) counts.set(name, (counts.get(name) ?? 0) + 1);
    return counts;
  }, [train.data, test.data]);
  return { labels, uses, add, changeAdded, error: train.error ?? test.error ?? known.error };
}
