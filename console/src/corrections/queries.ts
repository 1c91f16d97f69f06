// The corrections of a model, and how pages change them.
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { keys } from '../api/queries.ts';
import { useSession } from '../session/session.tsx';

const keyOf = (project: string, version: string) => [...keys.model(project, version), 'corrections'] as const;

export function useCorrections(project: string, version: string) {
  const { client } = useSession();
  return useQuery({
    queryKey: keyOf(project, version),
    queryFn: ({ signal }) => client.call('ListModelCorrections', { ProjectName: project, ModelVersion: version }, { signal }),
  });
}

/** Makes pages ask again for what corrections change: the list of them, and what the model sees in pictures. */
export function useCorrectionsChanged(project: string, version: string) {
  const queries = useQueryClient();
  return () =>
    Promise.all([queries.invalidateQueries({ queryKey: keyOf(project, version) }), queries.invalidateQueries({ queryKey: ['look', project, version] })]);
}
