import Container from '@cloudscape-design/components/container';
import KeyValuePairs from '@cloudscape-design/components/key-value-pairs';
import type { ModelDescription } from '../api/generated.ts';
import { time } from '../app/format.ts';

const place = (object: { Bucket: string; Key?: string; Prefix?: string } | undefined) => (object ? `s3://${object.Bucket}/${object.Key ?? object.Prefix ?? ''}` : '–');

export function ModelDetails({ model }: { model: ModelDescription }) {
  return (
    <Container>
      <KeyValuePairs
        columns={2}
        items={[
          { label: 'ARN', value: model.ModelArn ?? '–' },
          { label: 'Message', value: model.StatusMessage ?? '–' },
          { label: 'Made', value: time(model.CreationTimestamp) },
          { label: 'Evaluated', value: time(model.EvaluationEndTimestamp) },
          { label: 'Evaluation result', value: place(model.EvaluationResult) },
          { label: 'Evaluation manifest', value: place(model.EvaluationManifest) },
          { label: 'Output location', value: place(model.OutputConfig?.S3Location) },
          { label: 'KMS key', value: model.KmsKeyId ?? 'none' },
        ]}
      />
    </Container>
  );
}
