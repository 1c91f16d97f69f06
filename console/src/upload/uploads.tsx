// The uploads of this tab. They go on while the person looks at other pages, and what is needed to go on after a reload is kept
// in the browser's database.
import { createContext, useCallback, useContext, useEffect, useMemo, useRef, useState, type ReactNode } from 'react';
import { useQueryClient } from '@tanstack/react-query';
import { isNotFound } from '../api/errors.ts';
import { keys } from '../api/queries.ts';
import { s3Uri } from '../api/s3.ts';
import { anomalyLine, normalLine, unlabelledLine } from '../labels/lines.ts';
import { settledDataset, updateEntries } from '../labels/update.ts';
import { useSession, type Session } from '../session/session.tsx';
import { openDatabase } from '../session/storage.ts';
import { Upload, type UploadItem, type UploadProgress, type UploadTarget } from './upload.ts';

export interface UploadPlace {
  project: string;
  type: 'train' | 'test';
  bucket: string;
  /** What the keys of the pictures begin with; ends with a slash. */
  prefix: string;
}

/** What is kept of an upload until it has ended well. */
export interface UnfinishedUpload extends UploadPlace {
  total: number;
  startedAt: number;
  /** The label that each folder was given. */
  choices: Record<string, string>;
  /** The folders that were dropped, if the browser can remember them. */
  handles: FileSystemHandle[];
}

export interface RunningUpload {
  place: UploadPlace;
  progress: UploadProgress;
  pause(): void;
  resume(): void;
  stop(): void;
  retryFailed(): void;
  dismiss(): void;
}

interface Uploads {
  running: RunningUpload | null;
  start(place: UploadPlace, items: UploadItem[], kept: Pick<UnfinishedUpload, 'choices' | 'handles'>): void;
  /** The upload that a killed tab left behind for this dataset. */
  unfinished(project: string, type: 'train' | 'test'): Promise<UnfinishedUpload | undefined>;
  forget(project: string, type: 'train' | 'test'): Promise<void>;
}

const Context = createContext<Uploads | null>(null);
const kPage = 5000;
/** Unfinished uploads belong to a user and a region, as projects of equal names do. */
const recordKey = ({ arn, region }: Session, place: { project: string; type: string }) => [arn, region, place.project, place.type].join(' ');

/** The pictures that a dataset holds. */
async function heldBy({ client }: Session, place: UploadPlace): Promise<Set<string>> {
  const held = new Set<string>();
  for (let offset = 0, total = 1; offset < total; offset += kPage) {
    const page = await client.call('ListDatasetImages', { ProjectName: place.project, DatasetType: place.type, Offset: offset, MaxResults: kPage });
    total = page.TotalCount ?? 0;
    for (const { SourceRef } of page.Images ?? []) held.add(SourceRef!);
  }
  return held;
}

function targetFor(session: Session, place: UploadPlace): UploadTarget {
  const { client, s3 } = session;
  const line = { normal: normalLine, anomaly: anomalyLine };
  let held: Set<string> | undefined;
  return {
    async list() {
      const objects = await s3.listAll(place.bucket, place.prefix);
      return new Map(objects.map(({ key, size, etag }) => [key, { size, etag }]));
    },
    put: (key, body, contentType, signal) => s3.put({ bucket: place.bucket, key }, body, contentType, { signal }),
    async add(pictures) {
      try {
        await settledDataset(client, place.project, place.type);
      } catch (error) {
        if (!isNotFound(error)) throw error;
        await client.call('CreateDataset', { ProjectName: place.project, DatasetType: place.type });
        await settledDataset(client, place.project, place.type);
      }
      // A line replaces the one that the dataset has: labels and masks of pictures that it holds already must stay.
      held ??= await heldBy(session, place);
      const fresh = pictures.map(({ key, label }) => ({ sourceRef: s3Uri({ bucket: place.bucket, key }), label })).filter(({ sourceRef }) => !held!.has(sourceRef));
      const lines = fresh.map(({ sourceRef, label }) => (label ? line[label](sourceRef) : unlabelledLine(sourceRef)));
      if (lines.length) await updateEntries(client, place.project, place.type, lines);
      for (const { sourceRef } of fresh) held.add(sourceRef);
    },
  };
}

export function UploadsProvider({ children }: { children: ReactNode }) {
  const session = useSession();
  const queries = useQueryClient();
  const [running, setRunning] = useState<RunningUpload | null>(null);
  const active = useRef<Upload | null>(null);

  const start = useCallback<Uploads['start']>(
    (place, items, { choices, handles }) => {
      const begin = async () => {
        const record: UnfinishedUpload = { ...place, total: items.length, startedAt: Date.now(), choices, handles };
        const db = await openDatabase();
        await db.put('uploads', record, recordKey(session, place)).catch(() => db.put('uploads', { ...record, handles: [] }, recordKey(session, place)));
        let shown = 0;
        const show = (progress: UploadProgress) => {
          // A picture a millisecond may be sent; the page need not be drawn as often.
          if (progress.phase === 'sending' && progress.sent < progress.total && Date.now() - shown < 100) return;
          shown = Date.now();
          setRunning({
            place,
            progress,
            pause: () => upload.pause(),
            resume: () => upload.resume(),
            stop: () => upload.stop(),
            retryFailed: () => start(place, upload.failed, { choices, handles }),
            dismiss: () => setRunning(null),
          });
        };
        const upload: Upload = new Upload(items, place.prefix, targetFor(session, place), show);
        active.current = upload;
        show(upload.progress);
        await upload.run();
        active.current = null;
        if (upload.progress.phase === 'finished') await db.delete('uploads', recordKey(session, place));
        await queries.invalidateQueries({ queryKey: keys.project(place.project) });
      };
      void begin();
    },
    [session, queries],
  );

  // A tab that is closed in the middle of an upload asks first.
  useEffect(() => {
    const ask = (event: BeforeUnloadEvent) => {
      if (active.current) event.preventDefault();
    };
    window.addEventListener('beforeunload', ask);
    return () => {
      window.removeEventListener('beforeunload', ask);
      active.current?.stop();
    };
  }, []);

  const uploads = useMemo<Uploads>(
    () => ({
      running,
      start,
      unfinished: async (project, type) => (await openDatabase()).get('uploads', recordKey(session, { project, type })) as Promise<UnfinishedUpload | undefined>,
      forget: async (project, type) => (await openDatabase()).delete('uploads', recordKey(session, { project, type })),
    }),
    [running, start, session],
  );
  return <Context.Provider value={uploads}>{children}</Context.Provider>;
}

export function useUploads(): Uploads {
  const uploads = useContext(Context);
  if (!uploads) throw new Error('There is no UploadsProvider above this component.');
  return uploads;
}
