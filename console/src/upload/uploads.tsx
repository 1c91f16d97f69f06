// The uploads of this tab. They go on while the person looks at other pages, and what is needed to go on after a reload is kept
// in the browser's database.
import { createContext, useCallback, useContext, useEffect, useMemo, useRef, useState, type ReactNode } from 'react';
import { useQueryClient } from '@tanstack/react-query';
import { keys } from '../api/queries.ts';
import { useSession, type Session } from '../session/session.tsx';
import { openDatabase } from '../session/storage.ts';
import { datasetTarget, type UploadPlace } from './dataset_target.ts';
import { Upload, type UploadItem, type UploadProgress } from './upload.ts';

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
/** Unfinished uploads belong to a user and a region, as projects of equal names do. */
const recordKey = ({ arn, region }: Session, place: { project: string; type: string }) => [arn, region, place.project, place.type].join(' ');

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
        const upload: Upload = new Upload(items, place.prefix, datasetTarget(session, place), show);
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
