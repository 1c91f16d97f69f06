// The gallery of one dataset with what is around it: drafts of the labels, and saving them.
import { useCallback, useEffect, useMemo, useRef, useState } from 'react';
import { useQueryClient } from '@tanstack/react-query';
import { keys } from '../api/queries.ts';
import { useSession } from '../session/session.tsx';
import { datasetSource } from './dataset_source.ts';
import { kUnlabelled } from './rows.ts';
import { SaveError, saveLabels, type DatasetType } from './saving.ts';
import { useDraftedGallery, type DraftedGallery } from './use_drafted_gallery.ts';

export interface Saving {
  done: number;
  total: number;
}

export interface DatasetGallery extends Pick<DraftedGallery, 'model' | 'restored'> {
  saving: Saving | undefined;
  failure: SaveError | undefined;
  save(): void;
}

/**
 * `uid` tells a dataset from one that had its name before; undefined means that there is nothing to show. When `total`, the number
 * of its pictures, grows, the new ones are loaded.
 */
export function useDatasetGallery(project: string, type: DatasetType, uid: string | undefined, total: number | undefined): DatasetGallery {
  const { client, arn, region } = useSession();
  const queries = useQueryClient();
  const source = useMemo(() => (uid === undefined ? undefined : datasetSource(client, project, type)), [client, project, type, uid]);
  const { model, restored, forgetRestored } = useDraftedGallery(source, [arn, region, project, type].join(' '));
  const [saving, setSaving] = useState<Saving>();
  const [failure, setFailure] = useState<SaveError>();
  const isSaving = useRef(false);

  useEffect(() => setFailure(undefined), [source]);
  useEffect(() => {
    if (model?.isComplete && total !== undefined && total > model.rows.length) void model.load();
  }, [model, total]);

  const save = useCallback(() => {
    if (!model || isSaving.current || model.labels.counts().edited === 0) return;
    const numbers = new Map(model.labels.edited().map((row) => [model.rows[row]!.sourceRef, row]));
    const labels = new Map([...numbers].map(([sourceRef, row]) => [sourceRef, model.labels.labelOf(row)]));
    isSaving.current = true;
    setFailure(undefined);
    setSaving({ done: 0, total: labels.size });
    void (async () => {
      let done = 0;
      try {
        await saveLabels(client, project, type, labels, (sourceRefs) => {
          model.markSaved(new Map(sourceRefs.map((sourceRef) => [numbers.get(sourceRef)!, labels.get(sourceRef) ?? kUnlabelled])));
          done += sourceRefs.length;
          setSaving({ done, total: labels.size });
        });
        forgetRestored();
      } catch (error) {
        setFailure(error instanceof SaveError ? error : new SaveError(error, []));
      } finally {
        isSaving.current = false;
        setSaving(undefined);
        void queries.invalidateQueries({ queryKey: keys.dataset(project, type) });
      }
    })();
  }, [client, model, project, type, queries]);

  return { model, restored, saving, failure, save };
}
