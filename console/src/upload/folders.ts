// Labels from the names of folders: people keep good and bad pictures apart in folders, and most call them alike.
import type { FoundFile } from './collect.ts';

export type FolderChoice = 'normal' | 'anomaly' | 'unlabelled' | 'skip';

export interface Folder {
  /** The folder's path within what was dropped; empty for files without a folder. */
  path: string;
  files: FoundFile[];
  choice: FolderChoice;
}

const normalNames = /^(normal|good|ok|okay|pass|passed|io|gut|goods?)$/i;
const anomalyNames = /^(anomal(y|ies|ous)|bad|defect(ive|s)?|ng|nok|nio|not[ _-]?ok|fail(ed)?|fault(y|s)?|reject(ed|s)?|scrap)$/i;
const maskNames = /^(masks?|ground[_-]?truth|annotations?|labels?)$/i;

/** Whether a path names what operating systems keep for themselves. */
function isHidden(path: string): boolean {
  const parts = path.split('/');
  return parts.some((part) => part.startsWith('.') || part === '__MACOSX') || parts.at(-1) === 'Thumbs.db';
}

/** What the name of a folder, or of one above it, says about its pictures. The nearest name that says something counts. */
export function guess(path: string): FolderChoice {
  const parts = path.split('/').filter(Boolean);
  if (parts.some((part) => maskNames.test(part))) return 'skip';
  for (const part of parts.reverse()) {
    if (normalNames.test(part)) return 'normal';
    if (anomalyNames.test(part)) return 'anomaly';
  }
  return 'unlabelled';
}

/** Splits off the files whose names say that they are no pictures; a name without an ending says nothing. Hidden files are in neither. */
export function splitPictures(files: FoundFile[]): { pictures: FoundFile[]; others: FoundFile[] } {
  const seen = files.filter(({ path }) => !isHidden(path));
  const isOther = ({ path }: FoundFile) => /\.[^./]+$/.test(path) && !/\.(png|jpe?g|jfif)$/i.test(path);
  return { pictures: seen.filter((file) => !isOther(file)), others: seen.filter(isOther) };
}

/** Which files are left out of an upload, by the endings of their names; undefined if none is. */
export function leftOut(others: FoundFile[]): string | undefined {
  if (others.length === 0) return undefined;
  const endings = [...new Set(others.map(({ path }) => path.replace(/^.*\./, '.').toLowerCase()))].sort();
  const list = endings.length > 4 ? `${endings.slice(0, 4).join(', ')} and others` : endings.join(', ');
  return `${others.length === 1 ? 'One file is' : `${others.length} files are`} neither PNG nor JPEG and left out (${list}).`;
}

/** Groups files by folder, in the order of their paths. Hidden files and what lies in hidden folders are left out. */
export function groupByFolder(files: FoundFile[]): Folder[] {
  const folders = new Map<string, Folder>();
  for (const found of files) {
    if (isHidden(found.path)) continue;
    const path = found.path.split('/').slice(0, -1).join('/');
    const folder = folders.get(path) ?? { path, files: [], choice: guess(path) };
    folder.files.push(found);
    folders.set(path, folder);
  }
  const list = [...folders.values()];
  // In the layout of MVTec AD, `test` holds a folder for each kind of defect beside `good`, and `ground_truth` one of the same name.
  const roots = new Set(list.map((folder) => /^(.*?)(?:^|\/)ground_truth\//.exec(`${folder.path}/`)?.[1]).filter((root) => root !== undefined));
  for (const folder of list)
    for (const root of roots) if (folder.choice === 'unlabelled' && folder.path.startsWith(`${root ? `${root}/` : ''}test/`)) folder.choice = 'anomaly';
  return list;
}

/** The type of a picture by its first bytes, or null for anything but PNG and JPEG. */
export function pictureType(head: Uint8Array): 'image/png' | 'image/jpeg' | null {
  const begins = (...bytes: number[]) => bytes.every((byte, i) => head[i] === byte);
  if (begins(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a)) return 'image/png';
  if (begins(0xff, 0xd8, 0xff)) return 'image/jpeg';
  return null;
}
