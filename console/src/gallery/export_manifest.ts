// All lines of a dataset as a manifest file in the form of SageMaker Ground Truth.
import type { Client } from '../api/client.ts';
import type { DatasetType } from './saving.ts';

export async function exportManifest(client: Client, project: string, type: DatasetType): Promise<void> {
  const lines = await client.all('ListDatasetEntries', 'DatasetEntries', { ProjectName: project, DatasetType: type, MaxResults: 100 });
  download(new Blob(lines.map((line) => `${line}\n`), { type: 'application/x-ndjson' }), `${project}-${type}.manifest`);
}

/** Gives a file to the person, as if it had been downloaded. */
export function download(content: Blob, name: string) {
  const url = URL.createObjectURL(content);
  const link = document.createElement('a');
  link.href = url;
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 60_000); // The download may begin a little later.
}
