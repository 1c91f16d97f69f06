// What stations and their verdicts are called on the pages, and how a station is connected.
import type { Station, StationVerdict } from '../api/generated.ts';

type Indicator = { type: 'success' | 'warning' | 'error' | 'stopped' | 'pending' | 'in-progress'; text: string };

export function healthOf({ Health }: Station): Indicator {
  if (Health === 'SILENT') return { type: 'error', text: 'Silent' };
  if (Health === 'TROUBLED') return { type: 'warning', text: 'Troubled' };
  return { type: 'success', text: 'Healthy' };
}

export const modelStates: Record<string, Indicator> = {
  RUNNING: { type: 'success', text: 'Running' },
  STARTING: { type: 'in-progress', text: 'Starting' },
  STOPPING: { type: 'in-progress', text: 'Stopping' },
  STOPPED: { type: 'stopped', text: 'Stopped' },
  FAILED: { type: 'error', text: 'Failed' },
};

export const verdictStates: Record<string, string> = {
  JUDGED: 'Judged',
  CANNOT_JUDGE: 'Unlike the training',
  MODEL_NOT_RUNNING: 'Model not running',
  NO_PICTURE: 'No picture',
  WRONG_PICTURE: 'Wrong picture',
  OVERLOADED: 'Overloaded',
  FAILED: 'Failed',
};

/** What the station told the line: without a verdict a part counts as bad. */
export function verdictOf({ State, IsAnomalous }: StationVerdict): Indicator {
  if (State !== 'JUDGED') return { type: 'warning', text: verdictStates[State ?? ''] ?? 'No verdict' };
  return IsAnomalous ? { type: 'error', text: 'Anomaly' } : { type: 'success', text: 'Normal' };
}

/** How long ago something was, roughly: "just now", "5 min ago", "3 days ago". */
export function ago(seconds: number | undefined, now = Date.now() / 1000): string {
  if (seconds === undefined) return '–';
  const passed = Math.max(0, now - seconds);
  if (passed < 10) return 'just now';
  if (passed < 90) return `${Math.round(passed)} s ago`;
  if (passed < 5400) return `${Math.round(passed / 60)} min ago`;
  if (passed < 129_600) return `${Math.round(passed / 3600)} h ago`;
  return `${Math.round(passed / 86_400)} days ago`;
}

/** The commands and the file that connect a station of this name. */
export function connectSnippets({ endpoint, region, station }: { endpoint: string; region: string; station: string }) {
  const configuration = {
    station,
    sinks: [{ kind: 'server', endpoint, region, credentials: '/etc/vedette-edge/key', pictures: 's3://BUCKET/kept' }],
  };
  return [
    {
      id: 'key',
      label: '1. On the server: a key',
      text: `# A key that may only speak for the station ${station}. Take the file key to the station.
vedette user create ${station} --policy VedetteStationAccess
vedette key create --user ${station} > key
chmod 600 key`,
    },
    { id: 'configuration', label: '2. On the station: config.json', text: JSON.stringify(configuration, null, 2) },
    { id: 'start', label: '3. On the station: start', text: 'vedette-edge --models /var/lib/vedette-edge/models --config config.json' },
  ];
}
