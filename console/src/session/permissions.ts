// Asks once what the person may do, so that pages can grey out the rest instead of failing later.
import type { Client } from '../api/client.ts';

const actions = [
  'lookoutvision:CreateProject',
  'lookoutvision:DeleteProject',
  'lookoutvision:CreateDataset',
  'lookoutvision:DeleteDataset',
  'lookoutvision:UpdateDatasetEntries',
  'lookoutvision:CreateModel',
  'lookoutvision:DeleteModel',
  'lookoutvision:StartModel',
  'lookoutvision:StopModel',
  'lookoutvision:DetectAnomalies',
  'lookoutvision:StartModelPackagingJob',
  'lookoutvision:TagResource',
  'lookoutvision:UntagResource',
  'vedette:UpdateModelThreshold',
  'vedette:UpdateModelUnits',
  'vedette:CorrectModel',
  'vedette:DeleteModelCorrection',
  'vedette:ComputeAnomalyMap',
  'vedette:FindNearestPatch',
  'vedette:RebaseModel',
  'vedette:StartTrialDetection',
  'vedette:UpdateStationChannel',
  'vedette:DeleteStation',
  'vedette:ListAuditEvents',
  'vedette:ConvertAnnotations',
  'vedette:ExportCocoAnnotations',
  'vedette:StartDatasetCheck',
  'vedette:ListUsers',
  'vedette:CreateUser',
  's3:CreateBucket',
  's3:PutObject',
] as const;

export type SimulatedAction = (typeof actions)[number];
export type Permissions = Partial<Record<SimulatedAction, boolean>>;

export async function loadPermissions(client: Client): Promise<Permissions> {
  const { Decisions } = await client.call('SimulatePolicy', { Actions: actions.map((Action) => ({ Action })) });
  return Object.fromEntries((Decisions ?? []).map((decision) => [decision.Action, decision.Allowed]));
}
