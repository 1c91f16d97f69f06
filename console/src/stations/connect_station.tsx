// How a station is connected, ready to copy.
import { useState } from 'react';
import Box from '@cloudscape-design/components/box';
import CopyToClipboard from '@cloudscape-design/components/copy-to-clipboard';
import FormField from '@cloudscape-design/components/form-field';
import Input from '@cloudscape-design/components/input';
import SpaceBetween from '@cloudscape-design/components/space-between';
import Tabs from '@cloudscape-design/components/tabs';
import { useSession } from '../session/session.tsx';
import { connectSnippets } from './words.ts';

export function ConnectStation() {
  const { region } = useSession();
  const [station, setStation] = useState('line-1');
  const [tab, setTab] = useState('key');
  const isName = /^[a-zA-Z0-9][a-zA-Z0-9_.-]{0,63}$/.test(station);
  return (
    <SpaceBetween size="m">
      <FormField
        label="Name of the station"
        description="The name of the station is also the name of its user: its key may then speak for no other station."
        errorText={isName ? undefined : 'A name has up to 64 letters, digits, dots, hyphens and underscores, and begins with a letter or a digit.'}
      >
        <Input value={station} ariaLabel="Name of the station" spellcheck={false} onChange={({ detail }) => setStation(detail.value)} />
      </FormField>
      <Tabs
        activeTabId={tab}
        onChange={({ detail }) => setTab(detail.activeTabId)}
        tabs={connectSnippets({ endpoint: location.origin, region, station: isName ? station : 'line-1' }).map(({ id, label, text }) => ({
          id,
          label,
          content: (
            <SpaceBetween size="xs">
              <pre className="snippet" tabIndex={0} aria-label={label} role="region">
                {text}
              </pre>
              <CopyToClipboard textToCopy={text} copyButtonText="Copy" copySuccessText="Copied" copyErrorText="The browser did not let the page copy" />
            </SpaceBetween>
          ),
        }))}
      />
      <Box color="text-body-secondary" fontSize="body-s">
        The station appears here as soon as it has reported itself. Its kept pictures go to the bucket, if you name one.
      </Box>
    </SpaceBetween>
  );
}
