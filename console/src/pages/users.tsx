// People and programs that may use the server: their keys, and the policies that say what they may do.
import { useState } from 'react';
import { useQuery, useQueryClient } from '@tanstack/react-query';
import Alert from '@cloudscape-design/components/alert';
import Box from '@cloudscape-design/components/box';
import Button from '@cloudscape-design/components/button';
import Container from '@cloudscape-design/components/container';
import CopyToClipboard from '@cloudscape-design/components/copy-to-clipboard';
import FormField from '@cloudscape-design/components/form-field';
import Header from '@cloudscape-design/components/header';
import Modal from '@cloudscape-design/components/modal';
import Multiselect from '@cloudscape-design/components/multiselect';
import SpaceBetween from '@cloudscape-design/components/space-between';
import StatusIndicator from '@cloudscape-design/components/status-indicator';
import Table from '@cloudscape-design/components/table';
import { sentenceOf } from '../api/errors.ts';
import type { AccessKey, User } from '../api/generated.ts';
import { ActionButton } from '../app/allowed.tsx';
import { ConfirmDelete } from '../app/confirm_delete.tsx';
import { FirstInput } from '../app/first_input.tsx';
import { count, time } from '../app/format.ts';
import { useMessages } from '../app/messages.tsx';
import { useSession } from '../session/session.tsx';

const usersKey = ['users'] as const;

function usePolicies() {
  const { client } = useSession();
  return useQuery({ queryKey: ['policies'], queryFn: async ({ signal }) => (await client.call('ListPolicies', {}, { signal })).Policies ?? [] });
}

/** Makes a user, or changes what one may do. */
function EditUser({ user, onClose }: { user: User | null; onClose(): void }) {
  const { client } = useSession();
  const queries = useQueryClient();
  const policies = usePolicies();
  const [name, setName] = useState(user?.UserName ?? '');
  const [attached, setAttached] = useState<string[]>(user?.AttachedPolicies ?? []);
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<string>();
  async function submit() {
    setBusy(true);
    setProblem(undefined);
    try {
      if (!user) await client.call('CreateUser', { UserName: name });
      const before = user?.AttachedPolicies ?? [];
      for (const PolicyName of attached.filter((policy) => !before.includes(policy))) await client.call('AttachUserPolicy', { UserName: name, PolicyName });
      for (const PolicyName of before.filter((policy) => !attached.includes(policy))) await client.call('DetachUserPolicy', { UserName: name, PolicyName });
      await queries.invalidateQueries({ queryKey: usersKey });
      onClose();
    } catch (error) {
      await queries.invalidateQueries({ queryKey: usersKey });
      setProblem(sentenceOf(error));
      setBusy(false);
    }
  }
  const options = (policies.data ?? []).map(({ PolicyName, IsManaged }) => ({ value: PolicyName!, label: PolicyName!, tags: IsManaged ? ['managed'] : [] }));
  return (
    <Modal
      visible
      header={user ? `What ${user.UserName} may do` : 'Create user'}
      closeAriaLabel="Close"
      onDismiss={onClose}
      footer={
        <Box float="right">
          <SpaceBetween direction="horizontal" size="xs">
            <Button variant="link" onClick={onClose}>
              Cancel
            </Button>
            <Button variant="primary" loading={busy} disabled={!name} onClick={() => void submit()}>
              {user ? 'Save' : 'Create user'}
            </Button>
          </SpaceBetween>
        </Box>
      }
    >
      <SpaceBetween size="m">
        {!user && (
          <FormField label="User name" description="A person or a program, such as camera7.">
            <FirstInput value={name} ariaLabel="User name" spellcheck={false} onChange={({ detail }) => setName(detail.value)} />
          </FormField>
        )}
        <FormField label="Policies" description="VedetteReadOnlyAccess sees everything and changes nothing; VedetteDetectOnlyAccess may only have pictures judged.">
          <Multiselect
            selectedOptions={options.filter(({ value }) => attached.includes(value))}
            options={options}
            placeholder="Choose what the user may do"
            ariaLabel="Policies"
            expandToViewport
            onChange={({ detail }) => setAttached(detail.selectedOptions.map(({ value }) => value!))}
          />
        </FormField>
        {problem && <Alert type="error">{problem}</Alert>}
      </SpaceBetween>
    </Modal>
  );
}

/** Shows a new key once: the server does not tell the secret again. */
function NewKey({ accessKey, onClose }: { accessKey: AccessKey; onClose(): void }) {
  const text = `[default]\naws_access_key_id = ${accessKey.AccessKeyId}\naws_secret_access_key = ${accessKey.SecretAccessKey}\n`;
  return (
    <Modal visible header={`A new key for ${accessKey.UserName}`} closeAriaLabel="Close" onDismiss={onClose} footer={<Button onClick={onClose}>I have kept it</Button>}>
      <SpaceBetween size="s">
        <Alert type="warning">Keep this now, as an AWS credentials file: the secret is not shown again.</Alert>
        <pre className="snippet" tabIndex={0} aria-label="Credentials file" role="region">
          {text}
        </pre>
        <CopyToClipboard textToCopy={text} copyButtonText="Copy" copySuccessText="Copied" copyErrorText="The browser did not let the page copy" />
      </SpaceBetween>
    </Modal>
  );
}

function Keys({ user }: { user: User }) {
  const { client } = useSession();
  const messages = useMessages();
  const [made, setMade] = useState<AccessKey>();
  const [revoking, setRevoking] = useState<AccessKey>();
  const name = user.UserName!;
  const list = useQuery({
    queryKey: ['access-keys', name],
    queryFn: async ({ signal }) => (await client.call('ListAccessKeys', { UserName: name }, { signal })).AccessKeys ?? [],
  });
  async function make() {
    try {
      setMade((await client.call('CreateAccessKey', { UserName: name })).AccessKey);
    } catch (error) {
      messages.fail('The key was not made', error);
    }
    await list.refetch();
  }
  return (
    <>
      <Table
        items={list.data ?? []}
        loading={list.isPending}
        loadingText="Reading the keys"
        trackBy="AccessKeyId"
        header={
          <Header
            variant="h2"
            actions={
              <ActionButton action="vedette:CreateUser" onClick={() => void make()}>
                Create access key
              </ActionButton>
            }
          >
            Access keys of {name}
          </Header>
        }
        columnDefinitions={[
          { id: 'id', header: 'Access key', cell: (item) => <code>{item.AccessKeyId}</code>, isRowHeader: true },
          {
            id: 'status',
            header: 'Status',
            cell: (item) => <StatusIndicator type={item.Status === 'ACTIVE' ? 'success' : 'stopped'}>{item.Status === 'ACTIVE' ? 'Active' : 'Revoked'}</StatusIndicator>,
          },
          { id: 'made', header: 'Made', cell: (item) => time(item.CreationTimestamp) },
          {
            id: 'revoke',
            header: 'Actions',
            cell: (item) =>
              item.Status === 'ACTIVE' && (
                <Button variant="inline-link" ariaLabel={`Revoke ${item.AccessKeyId}`} onClick={() => setRevoking(item)}>
                  Revoke
                </Button>
              ),
          },
        ]}
        empty={list.error ? <Alert type="error">{sentenceOf(list.error)}</Alert> : <Box>This user has no key yet, and so cannot sign in.</Box>}
      />
      {made && <NewKey accessKey={made} onClose={() => setMade(undefined)} />}
      {revoking && (
        <ConfirmDelete
          title="Revoke this key?"
          button="Revoke key"
          onClose={() => setRevoking(undefined)}
          onDelete={async () => {
            await client.call('RevokeAccessKey', { UserName: name, AccessKeyId: revoking.AccessKeyId! });
            await list.refetch();
          }}
        >
          Programs that use <code>{revoking.AccessKeyId}</code>, and people who signed in with it, lose access at once and for good.
        </ConfirmDelete>
      )}
    </>
  );
}

export default function UsersPage() {
  const { client, may } = useSession();
  const queries = useQueryClient();
  const allowed = may('vedette:ListUsers');
  const users = useQuery({ queryKey: usersKey, enabled: allowed, queryFn: ({ signal }) => client.all('ListUsers', 'Users', { MaxResults: 100 }, { signal }) });
  const [selectedName, setSelectedName] = useState<string>();
  const [editing, setEditing] = useState<User | null>();
  const [deleting, setDeleting] = useState<User>();
  const selected = users.data?.find(({ UserName }) => UserName === selectedName);
  if (!allowed)
    return (
      <Container header={<Header variant="h1">Users and keys</Header>}>
        <Alert type="info">Your user may not see the users of this server. Whoever administers it makes keys for people and programs.</Alert>
      </Container>
    );
  return (
    <SpaceBetween size="l">
      <Table
        items={users.data ?? []}
        loading={users.isPending}
        loadingText="Reading the users"
        trackBy="UserName"
        selectionType="single"
        selectedItems={selected ? [selected] : []}
        onSelectionChange={({ detail }) => setSelectedName(detail.selectedItems[0]?.UserName)}
        ariaLabels={{ selectionGroupLabel: 'Users', itemSelectionLabel: (_, item) => item.UserName!, tableLabel: 'Users' }}
        header={
          <Header
            variant="h1"
            counter={users.data ? `(${count(users.data.length)})` : ''}
            description="People and programs that may use this server. Choose one to see its keys."
            actions={
              <SpaceBetween direction="horizontal" size="xs">
                <ActionButton action="vedette:CreateUser" disabled={!selected} onClick={() => setDeleting(selected)}>
                  Delete
                </ActionButton>
                <ActionButton action="vedette:CreateUser" disabled={!selected} onClick={() => setEditing(selected)}>
                  Change policies
                </ActionButton>
                <ActionButton action="vedette:CreateUser" variant="primary" onClick={() => setEditing(null)}>
                  Create user
                </ActionButton>
              </SpaceBetween>
            }
          >
            Users and keys
          </Header>
        }
        columnDefinitions={[
          { id: 'name', header: 'User', cell: (item) => item.UserName, isRowHeader: true },
          { id: 'policies', header: 'Policies', cell: (item) => item.AttachedPolicies?.join(', ') || 'none' },
          { id: 'made', header: 'Made', cell: (item) => time(item.CreationTimestamp) },
        ]}
        empty={users.error ? <Alert type="error">{sentenceOf(users.error)}</Alert> : <Box>There are no users.</Box>}
      />
      {selected && <Keys key={selected.UserName} user={selected} />}
      {editing !== undefined && <EditUser user={editing} onClose={() => setEditing(undefined)} />}
      {deleting && (
        <ConfirmDelete
          title={`Delete ${deleting.UserName}?`}
          button="Delete user"
          onClose={() => setDeleting(undefined)}
          onDelete={async () => {
            await client.call('DeleteUser', { UserName: deleting.UserName! });
            await queries.invalidateQueries({ queryKey: usersKey });
          }}
        >
          The user's keys are deleted, too. Programs that use them, and people who signed in with them, lose access at once.
        </ConfirmDelete>
      )}
    </SpaceBetween>
  );
}
