import StatusIndicator from '@cloudscape-design/components/status-indicator';
import type { TrialDetection } from '../api/generated.ts';
import { count } from '../app/format.ts';

export function TrialStatus({ trial }: { trial: TrialDetection }) {
  const types = { RUNNING: 'in-progress', COMPLETED: 'success', FAILED: 'error', STOPPED: 'stopped' } as const;
  const texts = { RUNNING: `Running, ${count(trial.JudgedCount ?? 0)} of ${count(trial.ImageCount)}`, COMPLETED: 'Complete', FAILED: 'Failed', STOPPED: 'Stopped' };
  const status = trial.Status ?? 'RUNNING';
  return <StatusIndicator type={types[status]}>{texts[status]}</StatusIndicator>;
}
