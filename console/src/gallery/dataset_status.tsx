// What a person should know about a dataset beside its pictures: that it is being imported, or why that failed.
import type { ReactNode } from 'react';
import Alert from '@cloudscape-design/components/alert';
import Box from '@cloudscape-design/components/box';
import StatusIndicator from '@cloudscape-design/components/status-indicator';
import type { DatasetDescription } from '../api/generated.ts';

export function DatasetStatus({ dataset, deleteButton }: { dataset: DatasetDescription; deleteButton: ReactNode }) {
  const reason = dataset.StatusMessage;
  switch (dataset.Status) {
    case 'CREATE_IN_PROGRESS':
      return (
        <Alert type="info" header="The pictures are being imported">
          <StatusIndicator type="in-progress">{reason || 'The manifest is being read.'}</StatusIndicator>
          <Box variant="p">The pictures are shown when all are there. You may leave this page; the import goes on.</Box>
        </Alert>
      );
    case 'CREATE_FAILED':
      return (
        <Alert type="error" header="The import failed" action={deleteButton}>
          <Box variant="p">{reason || 'The server told no reason.'}</Box>
          Correct what the reason names, in the manifest or in the bucket. Then delete this dataset and create it again: the pictures in the bucket stay.
        </Alert>
      );
    case 'UPDATE_FAILED_ROLLBACK_IN_PROGRESS':
    case 'UPDATE_FAILED_ROLLBACK_COMPLETE':
      return (
        <Alert type="warning" header="The last change was not taken">
          {reason} The dataset is as it was before.
        </Alert>
      );
    case 'DELETE_IN_PROGRESS':
      return <Alert type="info" header="The dataset is being deleted" />;
    case 'DELETE_FAILED':
      return (
        <Alert type="error" header="The dataset could not be deleted" action={deleteButton}>
          {reason} Try again.
        </Alert>
      );
    default:
      return null;
  }
}
