// The models of a station: which versions run, and which are to run.
import { useState } from 'react';
import { useQuery, useQueryClient } from '@tanstack/react-query';
import Alert from '@cloudscape-design/components/alert';
import Box from '@cloudscape-design/components/box';
import Button from '@cloudscape-design/components/button';
import FormField from '@cloudscape-design/components/form-field';
import Header from '@cloudscape-design/components/header';
import Modal from '@cloudscape-design/components/modal';
import Select from '@cloudscape-design/components/select';
import SpaceBetween from '@cloudscape-design/components/space-between';
import StatusIndicator from '@cloudscape-design/components/status-indicator';
import Table from '@cloudscape-design/components/table';
import { sentenceOf } from '../api/errors.ts';
import type { Station } from '../api/generated.ts';
import { keys, useProjects } from '../api/queries.ts';
import { ActionButton } from '../app/allowed.tsx';
import { time } from '../app/format.ts';
import { useSession } from '../session/session.tsx';
import { modelStates } from './words.ts';

interface Packaged {
  job: string;
  component: string;
  version: string;
  model: string;
}

/** The packages of a project that a station can run, the newest first. */
function usePackages(project: string | undefined) {
  const { client } = useSession();
  return useQuery({
    queryKey: ['project', project, 'packaged'],
    enabled: project !== undefined,
    queryFn: async ({ signal }): Promise<Packaged[]> => {
      const jobs = await client.all('ListModelPackagingJobs', 'ModelPackagingJobs', { ProjectName: project!, MaxResults: 100 }, { signal });
      const made = jobs.filter(({ Status }) => Status === 'SUCCEEDED').sort((a, b) => (b.CreationTimestamp ?? 0) - (a.CreationTimestamp ?? 0));
      return Promise.all(
        made.map(async ({ JobName, ModelVersion }) => {
          const { ModelPackagingDescription: job } = await client.call('DescribeModelPackagingJob', { ProjectName: project!, JobName: JobName! }, { signal });
          const output = job?.ModelPackagingOutputDetails?.Greengrass;
          return { job: JobName!, component: output?.ComponentName ?? '', version: output?.ComponentVersion ?? '', model: ModelVersion! };
        }),
      );
    },
  });
}

/** Chooses which version a component of the station runs; without a component, adds one. */
function MoveChannel({ station, component, project: first, onClose }: { station: string; component?: string; project?: string; onClose(): void }) {
  const { client } = useSession();
  const queries = useQueryClient();
  const projects = useProjects();
  const [project, setProject] = useState(first);
  const [job, setJob] = useState<string>();
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<string>();
  const packages = usePackages(project);
  const usable = (packages.data ?? []).filter((each) => !component || each.component === component);
  const chosen = usable.find((each) => each.job === job);
  const projectOptions = (projects.data ?? []).map(({ ProjectName }) => ({ value: ProjectName!, label: ProjectName! }));
  const options = usable.map((each) => ({ value: each.job, label: `${each.component} ${each.version}`, description: `Model ${each.model}, packaging job ${each.job}` }));

  async function update(input: { ProjectName?: string; JobName?: string }) {
    setBusy(true);
    setProblem(undefined);
    try {
      await client.call('UpdateStationChannel', { StationName: station, ModelComponent: component ?? chosen!.component, ...input });
      await queries.invalidateQueries({ queryKey: keys.station(station) });
      onClose();
    } catch (error) {
      setProblem(sentenceOf(error));
      setBusy(false);
    }
  }

  return (
    <Modal
      visible
      header={component ? `Move ${component} to another version` : 'Add a model'}
      closeAriaLabel="Close"
      onDismiss={() => !busy && onClose()}
      footer={
        <Box float="right">
          <SpaceBetween direction="horizontal" size="xs">
            {component && first && (
              <Button disabled={busy} onClick={() => void update({})}>
                Leave it to the station
              </Button>
            )}
            <Button variant="link" disabled={busy} onClick={onClose}>
              Cancel
            </Button>
            <Button variant="primary" loading={busy} disabled={!chosen} onClick={() => void update({ ProjectName: project, JobName: chosen!.job })}>
              Move
            </Button>
          </SpaceBetween>
        </Box>
      }
    >
      <SpaceBetween size="m">
        <FormField label="Project">
          <Select
            selectedOption={projectOptions.find(({ value }) => value === project) ?? null}
            options={projectOptions}
            placeholder="Choose a project"
            empty="There is no project"
            ariaLabel="Project"
            expandToViewport
            onChange={({ detail }) => {
              setProject(detail.selectedOption.value);
              setJob(undefined);
            }}
          />
        </FormField>
        <FormField label="Version" description="What a packaging job made. The station fetches it, tries it on its golden picture, and then switches without losing a part.">
          <Select
            selectedOption={options.find(({ value }) => value === job) ?? null}
            options={options}
            disabled={!project}
            statusType={packages.isFetching ? 'loading' : 'finished'}
            loadingText="Reading the packages"
            placeholder="Choose a version"
            empty={component ? `The project has no package of the component ${component}` : 'The project has no package yet'}
            ariaLabel="Version"
            expandToViewport
            onChange={({ detail }) => setJob(detail.selectedOption.value)}
          />
        </FormField>
        {(problem || packages.error) && <Alert type="error">{problem ?? sentenceOf(packages.error)}</Alert>}
      </SpaceBetween>
    </Modal>
  );
}

export function StationModels({ name, station }: { name: string; station: Station }) {
  const [moving, setMoving] = useState<{ component?: string; project?: string }>();
  const { Models = [], Channels = [] } = station;
  const components = [...new Set([...Models.map(({ ModelComponent }) => ModelComponent), ...Channels.map(({ ModelComponent }) => ModelComponent!)])].sort();
  const rows = components.map((component) => ({
    component,
    model: Models.find(({ ModelComponent }) => ModelComponent === component),
    channel: Channels.find(({ ModelComponent }) => ModelComponent === component),
  }));
  const add = (
    <ActionButton action="vedette:UpdateStationChannel" onClick={() => setMoving({})}>
      Add a model
    </ActionButton>
  );
  return (
    <>
      <Table
        items={rows}
        trackBy="component"
        ariaLabels={{ tableLabel: 'Models of the station' }}
        header={
          <Header variant="h2" description="What the station runs, and what it is to run." actions={rows.length > 0 && add}>
            Models
          </Header>
        }
        columnDefinitions={[
          { id: 'component', header: 'Model', isRowHeader: true, cell: ({ component }) => component },
          {
            id: 'state',
            header: 'State',
            cell: ({ model }) => {
              const state = modelStates[model?.State ?? ''];
              return state ? <StatusIndicator type={state.type}>{state.text}</StatusIndicator> : <span>Not there</span>;
            },
          },
          { id: 'runs', header: 'Runs', cell: ({ model }) => model?.ComponentVersion ?? '–' },
          {
            id: 'channel',
            header: 'Is to run',
            cell: ({ model, channel }) =>
              !channel ? (
                'Whatever lies at the station'
              ) : channel.ComponentVersion === model?.ComponentVersion ? (
                <StatusIndicator type="success">{channel.ComponentVersion}</StatusIndicator>
              ) : (
                <StatusIndicator type="pending">{channel.ComponentVersion}</StatusIndicator>
              ),
          },
          { id: 'by', header: 'Chosen', cell: ({ channel }) => (channel ? `${channel.ChangedBy}, ${time(channel.ChangedAt)}` : '–') },
          { id: 'message', header: 'Message', cell: ({ model }) => <span className="breakable">{model?.StateMessage || '–'}</span> },
          {
            id: 'move',
            header: 'Action',
            cell: ({ component, channel }) => (
              <ActionButton
                action="vedette:UpdateStationChannel"
                variant="inline-link"
                ariaLabel={`Move ${component} to another version`}
                onClick={() => setMoving({ component, project: channel?.ProjectName })}
              >
                Move
              </ActionButton>
            ),
          },
        ]}
        empty={
          <Box textAlign="center" padding="m">
            <Box variant="p" color="text-body-secondary">
              The station has no model yet. Give it one that a packaging job made.
            </Box>
            {add}
          </Box>
        }
      />
      {moving && <MoveChannel station={name} component={moving.component} project={moving.project} onClose={() => setMoving(undefined)} />}
    </>
  );
}
