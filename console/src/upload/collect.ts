// Finds the files in what a person drops or chooses: single files, or whole folders with all that is below.

export interface FoundFile {
  /** The path within what was dropped, such as `part7/good/001.png`. */
  path: string;
  file: File;
}

export const kMostFiles = 100_000;

async function fromEntry(entry: FileSystemEntry, found: FoundFile[]): Promise<void> {
  if (found.length >= kMostFiles) return;
  if (entry.isFile) {
    const file = await new Promise<File>((resolve, reject) => (entry as FileSystemFileEntry).file(resolve, reject));
    found.push({ path: entry.fullPath.replace(/^\//, ''), file });
    return;
  }
  const reader = (entry as FileSystemDirectoryEntry).createReader();
  for (;;) {
    // A reader tells at most a hundred entries at a time, and none when it has told all.
    const entries = await new Promise<FileSystemEntry[]>((resolve, reject) => reader.readEntries(resolve, reject));
    if (entries.length === 0) return;
    for (const child of entries) await fromEntry(child, found);
  }
}

async function fromHandle(handle: FileSystemHandle, folder: string, found: FoundFile[]): Promise<void> {
  if (found.length >= kMostFiles) return;
  const path = folder ? `${folder}/${handle.name}` : handle.name;
  if (handle.kind === 'file') found.push({ path, file: await (handle as FileSystemFileHandle).getFile() });
  else for await (const child of (handle as FileSystemDirectoryHandle & { values(): AsyncIterable<FileSystemHandle> }).values()) await fromHandle(child, path, found);
}

/** Files by path, so that the same folder always gives the same order. */
const sorted = (found: FoundFile[]) => found.sort((a, b) => (a.path < b.path ? -1 : 1));

/** Reads a drop. Must be called within the event, because the browser forgets the items afterwards. */
export async function fromDrop(transfer: DataTransfer): Promise<{ files: FoundFile[]; handles: FileSystemHandle[] }> {
  const items = [...transfer.items].filter((item) => item.kind === 'file');
  const entries = items.map((item) => item.webkitGetAsEntry());
  type WithHandle = DataTransferItem & { getAsFileSystemHandle?(): Promise<FileSystemHandle | null> };
  const wanted = items.map((item) => (item as WithHandle).getAsFileSystemHandle?.().catch(() => null));
  const loose = [...transfer.files];
  const found: FoundFile[] = [];
  for (const [i, entry] of entries.entries()) {
    if (entry) await fromEntry(entry, found);
    else if (loose[i]) found.push({ path: loose[i]!.name, file: loose[i]! });
  }
  const handles = (await Promise.all(wanted)).filter((handle): handle is FileSystemHandle => !!handle);
  return { files: sorted(found), handles };
}

/** Reads what a file input holds; an input for folders tells the paths. */
export function fromInput(list: FileList): FoundFile[] {
  return sorted([...list].slice(0, kMostFiles).map((file) => ({ path: file.webkitRelativePath || file.name, file })));
}

/** Reads folders that the browser remembered from an earlier drop. Asks the person for leave if the browser wants it. */
export async function fromHandles(handles: FileSystemHandle[]): Promise<FoundFile[] | null> {
  type Asking = FileSystemHandle & { requestPermission?(options: { mode: 'read' }): Promise<PermissionState> };
  for (const handle of handles as Asking[]) if ((await handle.requestPermission?.({ mode: 'read' })) === 'denied') return null;
  const found: FoundFile[] = [];
  for (const handle of handles) await fromHandle(handle, '', found);
  return sorted(found);
}
