// The dialog that deletes something after the person has typed `delete`.
import { useState, type ReactNode } from 'react';
import Alert from '@cloudscape-design/components/alert';
import Box from '@cloudscape-design/components/box';
import Button from '@cloudscape-design/components/button';
import FormField from '@cloudscape-design/components/form-field';
import Modal from '@cloudscape-design/components/modal';
import SpaceBetween from '@cloudscape-design/components/space-between';
import { sentenceOf } from '../api/errors.ts';
import { FirstInput } from './first_input.tsx';

interface Props {
  title: string;
  children: ReactNode;
  /** The words on the button, such as "Delete project". */
  button: string;
  onDelete(): Promise<void>;
  onClose(): void;
}

export function ConfirmDelete({ title, children, button, onDelete, onClose }: Props) {
  const [typed, setTyped] = useState('');
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<string>();
  async function submit() {
    if (typed !== 'delete' || busy) return;
    setBusy(true);
    setError(undefined);
    try {
      await onDelete();
      onClose();
    } catch (problem) {
      setError(sentenceOf(problem));
      setBusy(false);
    }
  }
  return (
    <Modal
      visible
      header={title}
      onDismiss={() => !busy && onClose()}
      closeAriaLabel="Close"
      footer={
        <Box float="right">
          <SpaceBetween direction="horizontal" size="xs">
            <Button variant="link" onClick={onClose} disabled={busy}>
              Cancel
            </Button>
            <Button variant="primary" onClick={() => void submit()} loading={busy} disabled={typed !== 'delete'}>
              {button}
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
        <SpaceBetween size="m">
          <div>{children}</div>
          <FormField label="To confirm, type delete">
            <FirstInput value={typed} onChange={({ detail }) => setTyped(detail.value)} placeholder="delete" ariaLabel="To confirm, type delete" />
          </FormField>
          {error && <Alert type="error">{error}</Alert>}
        </SpaceBetween>
      </form>
    </Modal>
  );
}
