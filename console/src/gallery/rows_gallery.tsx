// A gallery over rows that are known already and are looked at, not labelled, such as the test results of a model.
import { useEffect, useMemo, useRef, useState, type ReactNode } from 'react';
import { useSession } from '../session/session.tsx';
import { fetchThumbnails } from './dataset_source.ts';
import type { Looking } from '../looks/look.ts';
import { Gallery } from './gallery.tsx';
import { GalleryModel } from './model.ts';
import { pictureLoader } from './picture_loader.ts';
import type { GalleryRow } from './rows.ts';
import type { Query } from './view.ts';

interface Props {
  /** Rows of the same pictures in the same order change what is said of them; other pictures are another gallery. */
  rows: readonly GalleryRow[];
  name: string;
  empty: ReactNode;
  height?: number;
  /** The model that judged the pictures. */
  looking?: Looking;
  /** What is shown; another object is asked for at once. */
  query?: Partial<Query>;
}

export function RowsGallery({ rows, name, empty, height, looking, query }: Props) {
  const { client, s3 } = useSession();
  const [model, setModel] = useState<GalleryModel>();
  const latest = useRef(rows);
  latest.current = rows;
  const pictures = useMemo(() => rows.map(({ sourceRef }) => sourceRef).join('\n'), [rows]);
  useEffect(() => {
    const opened = new GalleryModel({
      list: async (offset, count) => ({ total: latest.current.length, rows: latest.current.slice(offset, offset + count) }),
      thumbnails: (refs, signal) => fetchThumbnails(client, refs, signal),
    });
    setModel(opened);
    if (query) opened.ask(query);
    void opened.load();
    return () => opened.close();
  }, [client, pictures]);
  useEffect(() => model?.revise(rows), [model, rows]);
  useEffect(() => {
    if (query) model?.ask(query);
  }, [model, query]);
  return model ? <Gallery model={model} name={name} canLabel={false} looking={looking} loadPicture={pictureLoader(s3)} empty={empty} height={height} /> : null;
}
