// Asks the newest hosted model of a project for the anomaly map of a picture.
import type { Client } from '../api/client.ts';
import { PictureError } from '../pictures/decode.ts';
import { greyMapOf } from '../pictures/grey_map.ts';
import { Suggestion } from './suggestion.ts';
import type { Size } from './view.ts';

export async function askSuggestion(client: Client, project: string, sourceRef: string, picture: Size): Promise<Suggestion> {
  const models = await client.all('ListModels', 'Models', { ProjectName: project, MaxResults: 100 });
  const hosted = models.filter((model) => model.Status === 'HOSTED').sort((a, b) => Number(b.ModelVersion) - Number(a.ModelVersion))[0];
  if (!hosted) throw new PictureError('No model of this project is hosted. Start one on the page Models to get suggestions.');
  const answer = await client.call('ComputeAnomalyMap', { ProjectName: project, ModelVersion: hosted.ModelVersion!, SourceRef: sourceRef });
  return new Suggestion(await greyMapOf(answer.Map ?? ''), answer.MapThreshold ?? 128, picture);
}
