// All lines of a dataset as a manifest file in the form of SageMaker Ground Truth.
import type { Client } from '../api/client.ts';
import { saveFile } from '../app/save_file.ts';
import type { DatasetType } from './saving.ts';

export async function exportManifest(client: Client, project: string, type: DatasetType): Promise<void> {
  const lines = await client.all('ListDatasetEntries', 'DatasetEntries', { ProjectName: project, DatasetType: type, MaxResults: 100 });
  saveFile(`${project}-${type}.manifest`, lines.map((line) => `${line}\n`), 'application/x-ndjson');
}
