import { useState } from 'react';
import { useQueryClient } from '@tanstack/react-query';
import Box from '@cloudscape-design/components/box';
import Button from '@cloudscape-design/components/button';
import FormField from '@cloudscape-design/components/form-field';
import Modal from '@cloudscape-design/components/modal';
import SpaceBetween from '@cloudscape-design/components/space-between';
import { useHashLocation } from 'wouter/use-hash-location';
import { clientToken } from '../api/client.ts';
import { sentenceOf } from '../api/errors.ts';
import { keys } from '../api/queries.ts';
import { FirstInput } from '../app/first_input.tsx';
import { paths } from '../app/paths.ts';
import { useSession } from '../session/session.tsx';

const pattern = /^[a-zA-Z0-9][a-zA-Z0-9_-]{0,254}$/;

export function CreateProject({ onClose }: { onClose(): void }) {
  const { client } = useSession();
  const queries = useQueryClient();
  const [, navigate] = useHashLocation();
  const [name, setName] = useState('');
  const [token] = useState(clientToken());
  const [error, setError] = useState<string>();
  const [busy, setBusy] = useState(false);

  async function submit() {
    if (busy) return;
    if (!pattern.test(name)) return setError('Use letters, digits, hyphens and underscores; begin with a letter or a digit.');
    setBusy(true);
    try {
      await client.call('CreateProject', { ProjectName: name, ClientToken: token });
      await queries.invalidateQueries({ queryKey: keys.projects });
      onClose();
      navigate(paths.project(name));
    } catch (problem) {
      setError(sentenceOf(problem));
      setBusy(false);
    }
  }

  return (
    <Modal
      visible
      header="Create project"
      closeAriaLabel="Close"
      onDismiss={onClose}
      footer={
        <Box float="right">
          <SpaceBetween direction="horizontal" size="xs">
            <Button variant="link" onClick={onClose}>
              Cancel
            </Button>
            <Button variant="primary" loading={busy} onClick={() => void submit()}>
              Create project
            </Button>
          </SpaceBetween>
        </Box>
      }
    >
      <form
        onSubmit={(event) => {
          event.preventDefault();
          void submit();
        }}
      >
        <FormField label="Project name" description="A project holds the pictures of one product, and the models that learn from them." errorText={error}>
          <FirstInput
            value={name}
            placeholder="gear-wheel"
            ariaLabel="Project name"
            spellcheck={false}
            onChange={({ detail }) => {
              setName(detail.value);
              setError(undefined);
            }}
          />
        </FormField>
      </form>
    </Modal>
  );
}
