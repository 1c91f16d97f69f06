// The gallery of one dataset with what is around it: drafts of the labels, and saving them.
import { useCallback, useEffect, useRef, useState } from 'react';
import { useQueryClient } from '@tanstack/react-query';
import { keys } from '../api/queries.ts';
import { useSession } from '../session/session.tsx';
import { datasetSource } from './dataset_source.ts';
import { LabelDrafts } from './drafts.ts';
import { GalleryModel } from './model.ts';
import { kUnlabelled, type Label } from './rows.ts';
import { SaveError, saveLabels, type DatasetType } from './saving.ts';
import type { Query } from './view.ts';

/** Where each gallery was left in this tab, to return there from the mask editor. */
const left = new Map<string, { query: Query; sourceRef: string | undefined }>();

export interface Saving {
  done: number;
  total: number;
}

export interface DatasetGallery {
  /** Undefined until the browser has told what it keeps for the dataset. */
  model: GalleryModel | undefined;
  /** The number of labels that a former visit had not saved, and that are shown again. */
  restored: number;
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
  const [model, setModel] = useState<GalleryModel>();
  const [restored, setRestored] = useState(0);
  const [saving, setSaving] = useState<Saving>();
  const [failure, setFailure] = useState<SaveError>();
  const isSaving = useRef(false);
  const scope = [arn, region, project, type].join(' ');

  useEffect(() => {
    setModel(undefined);
    setRestored(0);
    setFailure(undefined);
    if (uid === undefined) return;
    const drafts = new LabelDrafts(scope);
    let opened: GalleryModel | undefined;
    let isClosed = false;
    const keep = (rows: readonly number[]) => {
      if (!opened || rows.length === 0) return;
      const labels = new Map<string, Label | undefined>();
      for (const row of rows) labels.set(opened.rows[row]!.sourceRef, opened.labels.isEdited(row) ? opened.labels.labelOf(row) : undefined);
      void drafts.keep(labels).catch(() => {}); // A browser that keeps nothing, such as a private window, still lets a person label.
    };
    void (async () => {
      const draft = await drafts.read().catch(() => new Map<string, Label>());
      if (isClosed) return;
      opened = new GalleryModel(datasetSource(client, project, type), keep);
      setModel(opened);
      const place = left.get(scope);
      if (place) opened.ask(place.query);
      await opened.load();
      if (isClosed) return;
      if (draft.size) setRestored(opened.restore(draft));
      if (place?.sourceRef) opened.goTo(place.sourceRef);
    })();
    return () => {
      isClosed = true;
      if (opened) left.set(scope, { query: opened.query, sourceRef: opened.rows[opened.selection.focus]?.sourceRef });
      opened?.close();
    };
  }, [client, project, type, uid, scope]);

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
        setRestored(0);
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
