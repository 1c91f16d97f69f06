// What the training of a version found out, read from the server with all pictures.
import { queryOptions, useQuery } from '@tanstack/react-query';
import type { Client } from '../api/client.ts';
import { isNotFound } from '../api/errors.ts';
import type { EvaluatedPicture, ModelEvaluation } from '../api/generated.ts';
import { useSession } from '../session/session.tsx';
import type { Evaluation } from './evaluation.ts';


async function readEvaluation(client: Client, project: string, version: string, signal: AbortSignal): Promise<Evaluation | null> {
  const pictures: EvaluatedPicture[] = [];
  let summary: ModelEvaluation = {};
  let token: string | undefined;
  try {
    do {
      const page = await client.call('DescribeModelEvaluation', { ProjectName: project, ModelVersion: version, MaxResults: 1000, NextToken: token }, { signal });
      summary = page.ModelEvaluation ?? summary;
      pictures.push(...(page.Pictures ?? []));
      token = page.NextToken;
    } while (token);
  } catch (error) {
    if (isNotFound(error)) return null;
    throw error;
  }
  return { summary, pictures };
}

/** Null if there is none, as of models that were trained before evaluations were kept. */
export const evaluationQuery = (client: Client, project: string, version: string) =>
  queryOptions({
    queryKey: ['evaluation', project, version],
    queryFn: ({ signal }) => readEvaluation(client, project, version, signal),
    staleTime: 60_000,
  });

export function useEvaluation(project: string, version: string) {
  const { client } = useSession();
  return useQuery(evaluationQuery(client, project, version));
}
