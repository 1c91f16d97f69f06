// Asks a model of a project for the anomaly map of a picture.
import type { Client } from '../api/client.ts';
import type { ModelMetadata } from '../api/generated.ts';
import { PictureError } from '../pictures/decode.ts';
import { greyMapOf } from '../pictures/grey_map.ts';
import { Suggestion } from './suggestion.ts';
import type { Size } from './view.ts';

/** The newest model in service, which answers at once; or else the newest trained one, which the server loads first. */
export function versionToAsk(models: readonly ModelMetadata[]): string | undefined {
  const newest = (status: ModelMetadata['Status']) =>
    models
      .filter((model) => model.Status === status)
      .sort((a, b) => Number(b.ModelVersion) - Number(a.ModelVersion))[0]?.ModelVersion;
  return newest('HOSTED') ?? newest('TRAINED');
}

export async function askSuggestion(client: Client, project: string, sourceRef: string, picture: Size): Promise<Suggestion> {
  const models = await client.all('ListModels', 'Models', { ProjectName: project, MaxResults: 100 });
  const version = versionToAsk(models);
  if (!version) throw new PictureError('This project has no trained model yet. Train one, and it suggests masks.');
  const answer = await client.call('ComputeAnomalyMap', { ProjectName: project, ModelVersion: version, SourceRef: sourceRef });
  return new Suggestion(await greyMapOf(answer.Map ?? ''), answer.MapThreshold ?? 128, picture);
}
