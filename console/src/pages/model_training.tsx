import { useQuery } from '@tanstack/react-query';
import Box from '@cloudscape-design/components/box';
import Container from '@cloudscape-design/components/container';
import Header from '@cloudscape-design/components/header';
import ProgressBar from '@cloudscape-design/components/progress-bar';
import SpaceBetween from '@cloudscape-design/components/space-between';
import { duration, time } from '../app/format.ts';
import { useSession } from '../session/session.tsx';

/** How far a training is. The page of the model shows this until the model is trained. */
export function ModelTraining({ project, version }: { project: string; version: string }) {
  const { client } = useSession();
  const { data } = useQuery({
    queryKey: ['training', project, version],
    queryFn: async ({ signal }) => (await client.call('GetTrainingProgress', { ProjectName: project, ModelVersion: version }, { signal })).TrainingProgress ?? {},
    refetchInterval: 1000,
  });
  return (
    <Container header={<Header variant="h2">Training</Header>}>
      <SpaceBetween size="m">
        <ProgressBar
          value={100 * (data?.FractionDone ?? 0)}
          label={data?.Stage ? data.Stage.charAt(0).toUpperCase() + data.Stage.slice(1) : 'Waiting for its turn'}
          additionalInfo={data?.SecondsLeft !== undefined ? `About ${duration(data.SecondsLeft)} left` : data?.Stage ? 'How long it takes is not known yet' : data?.StatusMessage}
        />
        <Box color="text-body-secondary">{data?.StartTimestamp ? `Began ${time(data.StartTimestamp)}. ` : ''}You may leave this page; the training goes on.</Box>
      </SpaceBetween>
    </Container>
  );
}
