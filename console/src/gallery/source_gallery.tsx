// A gallery over any source whose pictures are looked at and not labelled, such as the test results of a model.
import { useEffect, useState, type ReactNode } from 'react';
import { useSession } from '../session/session.tsx';
import { Gallery } from './gallery.tsx';
import { GalleryModel } from './model.ts';
import { pictureLoader } from './picture_loader.ts';
import type { GallerySource } from './rows.ts';
import type { Query } from './view.ts';

interface Props {
  /** Another object is another gallery: keep it with useMemo. */
  source: GallerySource;
  name: string;
  empty: ReactNode;
  height?: number;
  /** What is shown at first, such as the order by disagreement. */
  query?: Partial<Query>;
}

export function SourceGallery({ source, name, empty, height, query }: Props) {
  const { s3 } = useSession();
  const [model, setModel] = useState<GalleryModel>();
  useEffect(() => {
    const opened = new GalleryModel(source);
    if (query) opened.ask(query);
    setModel(opened);
    void opened.load();
    return () => opened.close();
  }, [source]);
  return model ? <Gallery model={model} name={name} canLabel={false} loadPicture={pictureLoader(s3)} empty={empty} height={height} /> : null;
}
