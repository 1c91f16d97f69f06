// The original's dialog for anomaly labels: adds and renames them, and removes those that no picture has.
import { useState } from 'react';
import { useQueryClient } from '@tanstack/react-query';
import Alert from '@cloudscape-design/components/alert';
import Box from '@cloudscape-design/components/box';
import Button from '@cloudscape-design/components/button';
import FormField from '@cloudscape-design/components/form-field';
import Input from '@cloudscape-design/components/input';
import Modal from '@cloudscape-design/components/modal';
import SpaceBetween from '@cloudscape-design/components/space-between';
import Spinner from '@cloudscape-design/components/spinner';
import { sentenceOf } from '../api/errors.ts';
import { keys } from '../api/queries.ts';
import { plural } from '../app/format.ts';
import { useMessages } from '../app/messages.tsx';
import { useSession } from '../session/session.tsx';
import { kMaxLabelsPerProject, nextColour, problemOfName, type Label } from './colours.ts';
import { renameLabels, useProjectLabels } from './project_labels.ts';

interface Props {
  project: string;
  /** Called when pictures got other labels. */
  onChanged(): void;
  onClose(): void;
}

export function ManageLabels({ project, onChanged, onClose }: Props) {
  const { labels, uses, add, changeAdded, error } = useProjectLabels(project);
  if (!labels)
    return (
      <Modal visible header="Manage anomaly labels" closeAriaLabel="Close" onDismiss={onClose}>
        {error ? <Alert type="error">{sentenceOf(error)}</Alert> : <Spinner />}
      </Modal>
    );
  return <Dialog {...{ project, onChanged, onClose, labels, uses, add, changeAdded }} />;
}

interface DialogProps extends Props, Pick<ReturnType<typeof useProjectLabels>, 'uses' | 'add' | 'changeAdded'> {
  labels: Label[];
}
/** A label as the dialog has it; `before` is its name in the datasets, or null if it is new. */
interface Row {
  before: string | null;
  name: string;
  colour: string;
}

function Dialog({ project, onChanged, onClose, labels, uses, add, changeAdded }: DialogProps) {
  const { client } = useSession();
  const queries = useQueryClient();
  const messages = useMessages();
  const [rows, setRows] = useState<Row[]>(() => labels.map(({ name, colour }) => ({ before: name, name, colour })));
  const [fresh, setFresh] = useState('');
  const [freshProblem, setFreshProblem] = useState('');
  const [editing, setEditing] = useState<{ at: number; name: string; problem: string }>();
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<string>();
  const others = (at: number) => rows.filter((_, i) => i !== at).map(({ name, colour }) => ({ name, colour }));

  function append() {
    const name = fresh.trim();
    const found = problemOfName(name, others(-1));
    setFreshProblem(found);
    if (found) return;
    setRows([...rows, { before: null, name, colour: nextColour(rows.map(({ colour }) => colour)) }]);
    setFresh('');
  }
  function rename() {
    if (!editing) return;
    const name = editing.name.trim();
    const found = name === rows[editing.at]!.name ? '' : problemOfName(name, others(editing.at));
    if (found) return setEditing({ ...editing, problem: found });
    setRows(rows.map((row, i) => (i === editing.at ? { ...row, name } : row)));
    setEditing(undefined);
  }

  async function confirm() {
    setBusy(true);
    setProblem(undefined);
    try {
      const renamed = new Map(rows.flatMap(({ before, name }) => (before !== null && before !== name ? [[before, name] as const] : [])));
      const inUse = new Map([...renamed].filter(([before]) => uses.has(before)));
      let changed = 0;
      if (inUse.size) {
        const { ProjectDescription } = await client.call('DescribeProject', { ProjectName: project });
        for (const { DatasetType } of ProjectDescription?.Datasets ?? []) changed += await renameLabels(client, project, DatasetType as 'train' | 'test', inUse);
      }
      const kept = new Set(rows.map(({ before }) => before));
      changeAdded(new Map<string, string | null>([...renamed, ...labels.filter(({ name }) => !kept.has(name)).map(({ name }) => [name, null] as const)]));
      for (const { before, name } of rows) if (before === null) add(name);
      await queries.invalidateQueries({ queryKey: keys.project(project) });
      if (changed) onChanged();
      if (changed) messages.succeed(`${plural(changed, 'picture')} got the new names of anomaly labels.`);
      onClose();
    } catch (error) {
      // What was changed until then stays.
      onChanged();
      await queries.invalidateQueries({ queryKey: keys.project(project) });
      setProblem(sentenceOf(error));
      setBusy(false);
    }
  }

  return (
    <Modal
      visible
      header="Manage anomaly labels"
      closeAriaLabel="Close"
      onDismiss={() => !busy && onClose()}
      footer={
        <Box float="right">
          <SpaceBetween direction="horizontal" size="xs">
            <Button variant="link" disabled={busy} onClick={onClose}>
              Cancel
            </Button>
            <Button variant="primary" loading={busy} disabled={!!editing} onClick={() => void confirm()}>
              Confirm
            </Button>
          </SpaceBetween>
        </Box>
      }
    >
      <SpaceBetween size="m">
        <Box color="text-body-secondary">
          An anomaly label names a kind of defect. The datasets of a project share their labels; there may be {kMaxLabelsPerProject}. A label that pictures have can be renamed but not removed.
        </Box>
        {rows.length > 0 && (
          <ul className="labels-list" aria-label="Anomaly labels">
            {rows.map((row, at) => {
              const used = row.before === null ? 0 : (uses.get(row.before) ?? 0);
              if (editing?.at === at)
                return (
                  <li key={at}>
                    <form
                      className="grows"
                      onSubmit={(event) => {
                        event.preventDefault();
                        rename();
                      }}
                    >
                      <FormField errorText={editing.problem} stretch>
                        <div className="label-form">
                          <Input autoFocus value={editing.name} ariaLabel={`New name of ${row.name}`} onChange={({ detail }) => setEditing({ at, name: detail.value, problem: '' })} />
                          <Button formAction="submit">Rename</Button>
                          <Button formAction="none" variant="link" onClick={() => setEditing(undefined)}>
                            Cancel
                          </Button>
                        </div>
                      </FormField>
                    </form>
                  </li>
                );
              return (
                <li key={at}>
                  <span className="label-swatch" style={{ background: row.colour }} />
                  <span className="grows">{row.name}</span>
                  <Box color="text-body-secondary">{used ? plural(used, 'picture') : 'not in use'}</Box>
                  <Button variant="icon" iconName="edit" ariaLabel={`Rename ${row.name}`} disabled={busy || !!editing} onClick={() => setEditing({ at, name: row.name, problem: '' })} />
                  <Button
                    variant="icon"
                    iconName="remove"
                    ariaLabel={`Remove ${row.name}`}
                    disabled={busy || !!editing || used > 0}
                    disabledReason={used > 0 ? 'Pictures have this label.' : undefined}
                    onClick={() => setRows(rows.filter((_, i) => i !== at))}
                  />
                </li>
              );
            })}
          </ul>
        )}
        <form
          onSubmit={(event) => {
            event.preventDefault();
            append();
          }}
        >
          <FormField label="New anomaly label" errorText={freshProblem} stretch>
            <div className="label-form">
              <Input value={fresh} placeholder="scratch" ariaLabel="New anomaly label" onChange={({ detail }) => setFresh(detail.value)} />
              <Button formAction="submit" disabled={busy || !!editing}>
                Add anomaly label
              </Button>
            </div>
          </FormField>
        </form>
        {problem && (
          <Alert type="error" header="The labels were not all changed">
            {problem}
          </Alert>
        )}
      </SpaceBetween>
    </Modal>
  );
}
