import { useEffect, useState } from 'react';
import { useQuery } from '@tanstack/react-query';
import Alert from '@cloudscape-design/components/alert';
import AttributeEditor from '@cloudscape-design/components/attribute-editor';
import Container from '@cloudscape-design/components/container';
import Header from '@cloudscape-design/components/header';
import Input from '@cloudscape-design/components/input';
import SpaceBetween from '@cloudscape-design/components/space-between';
import { sentenceOf } from '../api/errors.ts';
import type { Tag } from '../api/generated.ts';
import { ActionButton } from '../app/allowed.tsx';
import { useMessages } from '../app/messages.tsx';
import { useSession } from '../session/session.tsx';

/** Lists and changes the tags of a model. */
export function ModelTags({ arn }: { arn: string }) {
  const { client } = useSession();
  const messages = useMessages();
  const stored = useQuery({
    queryKey: ['tags', arn],
    queryFn: async ({ signal }) => (await client.call('ListTagsForResource', { ResourceArn: arn }, { signal })).Tags ?? [],
    refetchOnWindowFocus: false,
  });
  const [tags, setTags] = useState<Tag[]>([]);
  const [busy, setBusy] = useState(false);
  useEffect(() => setTags(stored.data ?? []), [stored.data]);

  async function save() {
    setBusy(true);
    try {
      const before = stored.data ?? [];
      const gone = before.filter(({ Key }) => !tags.some((tag) => tag.Key === Key)).map(({ Key }) => Key);
      const changed = tags.filter((tag) => !before.some((old) => old.Key === tag.Key && old.Value === tag.Value));
      if (gone.length) await client.call('UntagResource', { ResourceArn: arn, TagKeys: gone });
      if (changed.length) await client.call('TagResource', { ResourceArn: arn, Tags: changed });
      messages.succeed('The tags were saved.');
    } catch (error) {
      messages.fail('The tags were not saved', error);
    }
    await stored.refetch();
    setBusy(false);
  }

  const edit = (index: number, change: Partial<Tag>) => setTags(tags.map((tag, i) => (i === index ? { ...tag, ...change } : tag)));
  const same = JSON.stringify(tags) === JSON.stringify(stored.data ?? []);
  return (
    <Container
      header={
        <Header
          variant="h2"
          description="Tags are names and values of your own; policies can refer to them."
          actions={
            <ActionButton action="lookoutvision:TagResource" variant="primary" loading={busy} disabled={same || tags.some(({ Key }) => !Key)} onClick={() => void save()}>
              Save changes
            </ActionButton>
          }
        >
          Tags
        </Header>
      }
    >
      <SpaceBetween size="m">
        {stored.error && <Alert type="error">{sentenceOf(stored.error)}</Alert>}
        <AttributeEditor
          items={tags}
          addButtonText="Add new tag"
          removeButtonText="Remove"
          empty="This model has no tags."
          onAddButtonClick={() => setTags([...tags, { Key: '', Value: '' }])}
          onRemoveButtonClick={({ detail }) => setTags(tags.filter((_, i) => i !== detail.itemIndex))}
          definition={[
            { label: 'Key', control: (tag, i) => <Input value={tag.Key} ariaLabel="Key" onChange={({ detail }) => edit(i, { Key: detail.value })} /> },
            { label: 'Value', control: (tag, i) => <Input value={tag.Value} ariaLabel="Value" onChange={({ detail }) => edit(i, { Value: detail.value })} /> },
          ]}
        />
      </SpaceBetween>
    </Container>
  );
}
