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
const recordKey = (place: { project: string; type: string }) => `${place.project}/${place.type}`;

function targetFor({ client, s3 }: Session, place: UploadPlace): UploadTarget {
  const line = { normal: normalLine, anomaly: anomalyLine };
  return {
    async list() {
      const objects = await s3.listAll(place.bucket, place.prefix);
      return new Map(objects.map(({ key, size, etag }) => [key, { size, etag }]));
    },
    put: (key, body, contentType, signal) => s3.put({ bucket: place.bucket, key }, body, contentType, { signal }),
    async add(pictures) {
      const dataset = { ProjectName: place.project, DatasetType: place.type };
      try {
        await settledDataset(client, place.project, place.type);
      } catch (error) {
        if (isNotFound(error)) {
          await client.call('CreateDataset', dataset);
          await settledDataset(client, place.project, place.type);
        } else if (!(error instanceof Error && error.name === 'UPDATE_FAILED_ROLLBACK_COMPLETE')) throw error;
      }
      const lines = pictures.map(({ key, label }) => {
        const sourceRef = s3Uri({ bucket: place.bucket, key });
        return label ? line[label](sourceRef) : unlabelledLine(sourceRef);
      });
      await updateEntries(client, place.project, place.type, lines);
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
        await db.put('uploads', record, recordKey(place)).catch(() => db.put('uploads', { ...record, handles: [] }, recordKey(place)));
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
        if (upload.progress.phase === 'finished') await db.delete('uploads', recordKey(place));
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
      unfinished: async (project, type) => (await openDatabase()).get('uploads', recordKey({ project, type })) as Promise<UnfinishedUpload | undefined>,
      forget: async (project, type) => (await openDatabase()).delete('uploads', recordKey({ project, type })),
    }),
    [running, start],
  );
  return <Context.Provider value={uploads}>{children}</Context.Provider>;
}

export function useUploads(): Uploads {
  const uploads = useContext(Context);
  if (!uploads) throw new Error('There is no UploadsProvider above this component.');
  return uploads;
}
