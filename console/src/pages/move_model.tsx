// Moves a model to another batch with good pictures of it: other light, another material, another camera.
import { useMemo, useRef, useState } from 'react';
import { useQueryClient } from '@tanstack/react-query';
import Alert from '@cloudscape-design/components/alert';
import Box from '@cloudscape-design/components/box';
import Button from '@cloudscape-design/components/button';
import FormField from '@cloudscape-design/components/form-field';
import Input from '@cloudscape-design/components/input';
import Modal from '@cloudscape-design/components/modal';
import SpaceBetween from '@cloudscape-design/components/space-between';
import Tiles from '@cloudscape-design/components/tiles';
import { useHashLocation } from 'wouter/use-hash-location';
import { clientToken } from '../api/client.ts';
import { sentenceOf } from '../api/errors.ts';
import { keys } from '../api/queries.ts';
import { parseS3Uri } from '../api/s3.ts';
import { plural } from '../app/format.ts';
import { useMessages } from '../app/messages.tsx';
import { paths } from '../app/paths.ts';
import { useSession } from '../session/session.tsx';
import { fromInput, type FoundFile } from '../upload/collect.ts';
import { useConsoleBucket } from '../upload/console_bucket_dialog.tsx';
import { sendPictures } from '../upload/send_pictures.ts';

/** So many pictures RebaseModel takes. */
const kFewest = 5;
const kMost = 60;

export function MoveModel({ project, version, onClose }: { project: string; version: string; onClose(): void }) {
  const session = useSession();
  const consoleBucket = useConsoleBucket();
  const queries = useQueryClient();
  const messages = useMessages();
  const [, navigate] = useHashLocation();
  const [source, setSource] = useState('upload');
  const [files, setFiles] = useState<FoundFile[]>([]);
  const [uri, setUri] = useState('');
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<string>();
  // A second try with the same pictures sends only what the first one did not, and makes no second model. Other pictures need another token.
  const token = useMemo(clientToken, [source, files, uri]);
  const input = useRef<HTMLInputElement>(null);

  async function submit() {
    setBusy(true);
    setProblem(undefined);
    try {
      let images: { Bucket: string; Prefix?: string; Keys?: string[] };
      if (source === 'upload') {
        const prefix = `projects/${project}/new-batches/${token.slice(0, 8)}/`;
        images = await sendPictures(session.s3, await consoleBucket(), files, prefix, () => {});
      } else {
        const place = parseS3Uri(uri);
        if (!place) throw new Error('Enter the folder as s3://bucket/folder/.');
        images = { Bucket: place.bucket, ...(place.key ? { Prefix: place.key } : {}) };
      }
      const { ModelMetadata: made } = await session.client.call('RebaseModel', { ProjectName: project, ModelVersion: version, Images: images, ClientToken: token });
      await queries.invalidateQueries({ queryKey: keys.models(project) });
      messages.succeed(`Model ${made?.ModelVersion} is made from model ${version}. Put it in service when it is ready.`);
      navigate(paths.model(project, made!.ModelVersion!));
    } catch (error) {
      setProblem(sentenceOf(error));
      setBusy(false);
    }
  }

  const fits = files.length >= kFewest && files.length <= kMost;
  return (
    <Modal
      visible
      header={`Move model ${version} to the new pictures`}
      closeAriaLabel="Close"
      onDismiss={() => !busy && onClose()}
      footer={
        <Box float="right">
          <SpaceBetween direction="horizontal" size="xs">
            <Button variant="link" disabled={busy} onClick={onClose}>
              Cancel
            </Button>
            <Button variant="primary" loading={busy} disabled={source === 'upload' ? !fits : !uri} onClick={() => void submit()}>
              Move the model
            </Button>
          </SpaceBetween>
        </Box>
      }
    >
      <SpaceBetween size="m">
        <Box>
          Choose about ten pictures of <b>good</b> parts as the camera takes them now. In seconds they make a new version of the model, beside this one; nothing is trained.
        </Box>
        <Tiles
          value={source}
          ariaLabel="Pictures"
          onChange={({ detail }) => setSource(detail.value)}
          items={[
            { value: 'upload', label: 'Upload from this computer', description: `${kFewest} to ${kMost} PNG or JPEG files.` },
            { value: 'bucket', label: 'From a bucket', description: `A folder with ${kFewest} to ${kMost} pictures.` },
          ]}
        />
        {source === 'bucket' ? (
          <FormField label="S3 URI">
            <Input value={uri} ariaLabel="S3 URI" placeholder="s3://bucket/folder/" spellcheck={false} onChange={({ detail }) => setUri(detail.value)} />
          </FormField>
        ) : (
          <SpaceBetween direction="horizontal" size="xs" alignItems="center">
            <Button iconName="file" onClick={() => input.current?.click()}>
              Choose pictures
            </Button>
            <Box color="text-body-secondary">{files.length ? plural(files.length, 'file') : 'None chosen yet'}</Box>
            <input ref={input} type="file" multiple accept="image/png,image/jpeg" hidden aria-label="Good pictures" onChange={(e) => e.target.files && setFiles(fromInput(e.target.files))} />
          </SpaceBetween>
        )}
        {source === 'upload' && files.length > 0 && !fits && (
          <Alert type="warning">
            Choose {kFewest} to {kMost} pictures.
          </Alert>
        )}
        {problem && <Alert type="error">{problem}</Alert>}
      </SpaceBetween>
    </Modal>
  );
}
