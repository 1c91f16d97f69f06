import { useState } from 'react';
import { useCollection } from '@cloudscape-design/collection-hooks';
import { useQueryClient } from '@tanstack/react-query';
import Alert from '@cloudscape-design/components/alert';
import Box from '@cloudscape-design/components/box';
import Button from '@cloudscape-design/components/button';
import Checkbox from '@cloudscape-design/components/checkbox';
import Header from '@cloudscape-design/components/header';
import Link from '@cloudscape-design/components/link';
import Pagination from '@cloudscape-design/components/pagination';
import SpaceBetween from '@cloudscape-design/components/space-between';
import Table from '@cloudscape-design/components/table';
import TextFilter from '@cloudscape-design/components/text-filter';
import type { Client } from '../api/client.ts';
import { isNotFound, sentenceOf } from '../api/errors.ts';
import { keys, useProjects } from '../api/queries.ts';
import { ActionButton } from '../app/allowed.tsx';
import { ConfirmDelete } from '../app/confirm_delete.tsx';
import { count, time } from '../app/format.ts';
import { useMessages } from '../app/messages.tsx';
import { pageLabels } from '../app/pages_of_table.ts';
import { href, paths } from '../app/paths.ts';
import { useSession } from '../session/session.tsx';
import { CreateProject } from './create_project.tsx';

/** Deletes what is in a project, which the API does not do by itself. */
async function deleteContents(client: Client, project: string) {
  const models = await client.all('ListModels', 'Models', { ProjectName: project, MaxResults: 100 });
  const busy = models.find((model) => !['TRAINED', 'TRAINING_FAILED', 'HOSTING_FAILED', 'DELETING'].includes(model.Status!));
  if (busy) throw new Error(`Model ${busy.ModelVersion} is ${busy.Status === 'TRAINING' ? 'in training' : 'in service'}. Stop it first; then delete the project.`);
  for (const model of models) await client.call('DeleteModel', { ProjectName: project, ModelVersion: model.ModelVersion! });
  for (const type of ['train', 'test'])
    await client.call('DeleteDataset', { ProjectName: project, DatasetType: type }).catch((error: unknown) => {
      if (!isNotFound(error)) throw error;
    });
}

function DeleteProject({ project, onClose }: { project: string; onClose(): void }) {
  const { client } = useSession();
  const queries = useQueryClient();
  const messages = useMessages();
  const [contents, setContents] = useState(false);
  return (
    <ConfirmDelete
      title={`Delete ${project}?`}
      button="Delete project"
      onClose={onClose}
      onDelete={async () => {
        if (contents) await deleteContents(client, project);
        await client.call('DeleteProject', { ProjectName: project });
        await queries.invalidateQueries({ queryKey: keys.projects });
        messages.succeed(`The project ${project} was deleted.`);
      }}
    >
      <SpaceBetween size="s">
        <Box>The pictures in the bucket stay. Everything else of the project is deleted for good.</Box>
        <Checkbox checked={contents} onChange={({ detail }) => setContents(detail.checked)} description="Without this only a project that holds nothing can be deleted.">
          Delete its datasets and models, too
        </Checkbox>
      </SpaceBetween>
    </ConfirmDelete>
  );
}

export function ProjectsPage() {
  const projects = useProjects();
  const [creating, setCreating] = useState(false);
  const [deleting, setDeleting] = useState<string>();
  const { items, collectionProps, filterProps, filteredItemsCount, paginationProps } = useCollection(projects.data ?? [], {
    filtering: {
      empty: (
        <Box textAlign="center" padding="l">
          <Box variant="strong">No project yet</Box>
          <Box variant="p" color="text-body-secondary">
            Create a project for each product that you want to inspect.
          </Box>
          <ActionButton action="lookoutvision:CreateProject" onClick={() => setCreating(true)}>
            Create project
          </ActionButton>
        </Box>
      ),
      noMatch: <Box textAlign="center">No project has a name like this.</Box>,
    },
    pagination: { pageSize: 20 },
    sorting: { defaultState: { sortingColumn: { sortingField: 'CreationTimestamp' }, isDescending: true } },
    selection: { trackBy: 'ProjectName' },
  });
  const selected = collectionProps.selectedItems?.[0]?.ProjectName;
  return (
    <SpaceBetween size="l">
      {projects.error && (
        <Alert type="error" header="The projects cannot be read" action={<Button onClick={() => void projects.refetch()}>Try again</Button>}>
          {sentenceOf(projects.error)}
        </Alert>
      )}
      <Table
        {...collectionProps}
        variant="full-page"
        selectionType="single"
        items={items}
        loading={projects.isPending}
        loadingText="Reading the projects"
        ariaLabels={{ selectionGroupLabel: 'Projects', itemSelectionLabel: (_, item) => item.ProjectName!, tableLabel: 'Projects' }}
        columnDefinitions={[
          {
            id: 'name',
            header: 'Project',
            sortingField: 'ProjectName',
            isRowHeader: true,
            cell: (item) => <Link href={href(paths.project(item.ProjectName!))}>{item.ProjectName}</Link>,
          },
          { id: 'created', header: 'Created', sortingField: 'CreationTimestamp', cell: (item) => time(item.CreationTimestamp) },
          { id: 'arn', header: 'ARN', cell: (item) => <Box color="text-body-secondary">{item.ProjectArn}</Box> },
        ]}
        header={
          <Header
            variant="h1"
            counter={projects.data ? `(${count(projects.data.length)})` : ''}
            actions={
              <SpaceBetween direction="horizontal" size="xs">
                <ActionButton action="lookoutvision:DeleteProject" disabled={!selected} onClick={() => setDeleting(selected)}>
                  Delete
                </ActionButton>
                <ActionButton action="lookoutvision:CreateProject" variant="primary" onClick={() => setCreating(true)}>
                  Create project
                </ActionButton>
              </SpaceBetween>
            }
          >
            Projects
          </Header>
        }
        filter={
          <TextFilter {...filterProps} filteringPlaceholder="Find a project" filteringAriaLabel="Find a project" countText={`${count(filteredItemsCount)} found`} />
        }
        pagination={<Pagination ariaLabels={pageLabels} {...paginationProps} />}
      />
      {creating && <CreateProject onClose={() => setCreating(false)} />}
      {deleting && <DeleteProject project={deleting} onClose={() => setDeleting(undefined)} />}
    </SpaceBetween>
  );
}
