// Asks the newest hosted model of a project for the anomaly map of a picture.
import type { Client } from '../api/client.ts';
import { bytesOfBase64 } from '../pictures/base64.ts';
import { PictureError } from '../pictures/decode.ts';
import { decodePng } from '../pictures/png.ts';
import { Suggestion, type GreyMap } from './suggestion.ts';
import type { Size } from './view.ts';

export async function greyMapOf(base64: string): Promise<GreyMap> {
  const png = await decodePng(bytesOfBase64(base64));
  if (!png.indices) throw new PictureError('The server sent a map that is not a grey picture.');
  return { width: png.width, height: png.height, values: png.indices.map((index) => png.palette![index]! & 255) };
}

export async function askSuggestion(client: Client, project: string, sourceRef: string, picture: Size): Promise<Suggestion> {
  const models = await client.all('ListModels', 'Models', { ProjectName: project, MaxResults: 100 });
  const hosted = models.filter((model) => model.Status === 'HOSTED').sort((a, b) => Number(b.ModelVersion) - Number(a.ModelVersion))[0];
  if (!hosted) throw new PictureError('No model of this project is hosted. Start one on the page Models to get suggestions.');
  const answer = await client.call('ComputeAnomalyMap', { ProjectName: project, ModelVersion: hosted.ModelVersion!, SourceRef: sourceRef });
  return new Suggestion(await greyMapOf(answer.Map ?? ''), answer.MapThreshold ?? 128, picture);
}
