// What pages read from the server, under the names by which it is cached and made anew.
import { useQuery, type UseQueryOptions } from '@tanstack/react-query';
import { useSession } from '../session/session.tsx';
import { isNotFound } from './errors.ts';
import type { DatasetDescription, ModelMetadata } from './generated.ts';

export const keys = {
  projects: ['projects'] as const,
  project: (name: string) => ['project', name] as const,
  dataset: (project: string, type: string) => ['project', project, 'dataset', type] as const,
  models: (project: string) => ['project', project, 'models'] as const,
  datasetCheck: (project: string) => ['project', project, 'dataset-check'] as const,
  trials: (project: string) => ['project', project, 'trials'] as const,
  stations: ['stations'] as const,
  station: (name: string) => ['station', name] as const,
  model: (project: string, version: string) => ['project', project, 'models', version] as const,
};

type Options<T> = Pick<UseQueryOptions<T>, 'refetchInterval' | 'enabled'>;

export function useProjects() {
  const { client } = useSession();
  return useQuery({ queryKey: keys.projects, queryFn: ({ signal }) => client.all('ListProjects', 'Projects', { MaxResults: 100 }, { signal }) });
}

export function useProject(name: string) {
  const { client } = useSession();
  return useQuery({
    queryKey: keys.project(name),
    queryFn: async ({ signal }) => (await client.call('DescribeProject', { ProjectName: name }, { signal })).ProjectDescription ?? {},
  });
}

const isChanging = (dataset: DatasetDescription | null | undefined) => /IN_PROGRESS/.test(dataset?.Status ?? '');

/** A dataset of a project, or null if there is none. It is asked for again while it changes. */
export function useDataset(project: string, type: 'train' | 'test', options: Options<DatasetDescription | null> = {}) {
  const { client } = useSession();
  return useQuery<DatasetDescription | null>({
    queryKey: keys.dataset(project, type),
    queryFn: async ({ signal }) => {
      try {
        return (await client.call('DescribeDataset', { ProjectName: project, DatasetType: type }, { signal })).DatasetDescription ?? null;
      } catch (error) {
        if (isNotFound(error)) return null;
        throw error;
      }
    },
    refetchInterval: ({ state }) => (isChanging(state.data) ? 1000 : false),
    ...options,
  });
}

const unsettled = /TRAINING$|STARTING|STOPPING|DELETING|UPDATING/;

/** All models of a project, the newest first. They are asked for again while one of them changes. */
export function useModels(project: string, options: Options<ModelMetadata[]> = {}) {
  const { client } = useSession();
  return useQuery<ModelMetadata[]>({
    queryKey: keys.models(project),
    queryFn: async ({ signal }) => {
      const models = await client.all('ListModels', 'Models', { ProjectName: project, MaxResults: 100 }, { signal });
      return models.sort((a, b) => Number(b.ModelVersion) - Number(a.ModelVersion));
    },
    refetchInterval: ({ state }) => (state.data?.some((model) => unsettled.test(model.Status ?? '')) ? 1500 : 15_000),
    ...options,
  });
}

export function useModel(project: string, version: string) {
  const { client } = useSession();
  return useQuery({
    queryKey: keys.model(project, version),
    queryFn: async ({ signal }) => (await client.call('DescribeModel', { ProjectName: project, ModelVersion: version }, { signal })).ModelDescription ?? {},
    refetchInterval: ({ state }) => (unsettled.test(state.data?.Status ?? '') ? 1500 : false),
  });
}
