import { useQueryClient } from '@tanstack/react-query';
import { keys } from '../api/queries.ts';
import { ConfirmDelete } from '../app/confirm_delete.tsx';
import { useMessages } from '../app/messages.tsx';
import { useSession } from '../session/session.tsx';

export function DeleteModel({ project, version, onClose, onDeleted }: { project: string; version: string; onClose(): void; onDeleted?(): void }) {
  const { client } = useSession();
  const queries = useQueryClient();
  const messages = useMessages();
  return (
    <ConfirmDelete
      title={`Delete model ${version}?`}
      button="Delete model"
      onClose={onClose}
      onDelete={async () => {
        await client.call('DeleteModel', { ProjectName: project, ModelVersion: version });
        await queries.invalidateQueries({ queryKey: keys.models(project) });
        messages.succeed(`Model ${version} was deleted.`);
        onDeleted?.();
      }}
    >
      The model and what is known of its results are deleted for good. The pictures and the evaluation files in the bucket stay.
    </ConfirmDelete>
  );
}
