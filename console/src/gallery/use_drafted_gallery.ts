// A gallery whose labels are kept in the browser until they are saved.
import { useEffect, useState } from 'react';
import { LabelDrafts } from './drafts.ts';
import { GalleryModel } from './model.ts';
import type { GallerySource, Label } from './rows.ts';
import type { Query } from './view.ts';

/** Where each gallery was left in this tab, to return there from the mask editor. */
const left = new Map<string, { query: Query; sourceRef: string | undefined }>();

export interface DraftedGallery {
  /** Undefined until the browser has told what it keeps. */
  model: GalleryModel | undefined;
  /** The number of labels that a former visit had not saved, and that are shown again. */
  restored: number;
  /** Called when the person knows of them, or they are saved. */
  forgetRestored(): void;
}

/**
 * `scope` says whose labels of which pictures these are. Another `source` is another gallery: keep it with useMemo. Without one
 * there is nothing to show.
 */
export function useDraftedGallery(source: GallerySource | undefined, scope: string): DraftedGallery {
  const [model, setModel] = useState<GalleryModel>();
  const [restored, setRestored] = useState(0);

  useEffect(() => {
    setModel(undefined);
    setRestored(0);
    if (!source) return;
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
      opened = new GalleryModel(source, keep);
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
  }, [source, scope]);

  return { model, restored, forgetRestored: () => setRestored(0) };
}
