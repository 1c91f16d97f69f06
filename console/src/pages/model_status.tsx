import StatusIndicator from '@cloudscape-design/components/status-indicator';
import type { ModelMetadata } from '../api/generated.ts';

type Known = NonNullable<ModelMetadata['Status']>;
const shown: Record<Known, [Parameters<typeof StatusIndicator>[0]['type'], string]> = {
  TRAINING: ['in-progress', 'Training'],
  TRAINED: ['success', 'Training complete'],
  TRAINING_FAILED: ['error', 'Training failed'],
  STARTING_HOSTING: ['in-progress', 'Starting'],
  HOSTED: ['success', 'Hosted'],
  HOSTING_FAILED: ['error', 'Hosting failed'],
  STOPPING_HOSTING: ['in-progress', 'Stopping'],
  SYSTEM_UPDATING: ['in-progress', 'Updating'],
  DELETING: ['in-progress', 'Deleting'],
};

/** Whether a model can judge pictures of a trial and be packaged. */
export const isUsable = ({ Status }: { Status?: Known }) => Status === 'TRAINED' || Status === 'HOSTED';

export function ModelStatus({ model }: { model: { Status?: Known } }) {
  const [type, text] = shown[model.Status ?? 'TRAINING'];
  return <StatusIndicator type={type}>{text}</StatusIndicator>;
}
