import { useState } from 'react';
import Box from '@cloudscape-design/components/box';
import Button from '@cloudscape-design/components/button';
import ExpandableSection from '@cloudscape-design/components/expandable-section';
import FormField from '@cloudscape-design/components/form-field';
import Input from '@cloudscape-design/components/input';
import SpaceBetween from '@cloudscape-design/components/space-between';
import { readProfiles, writeProfiles, type Profile } from './profiles.ts';

/** Lists the servers and regions that a person works with. Another server is opened in its own console. */
export function Profiles({ region, onChoose }: { region: string; onChoose(region: string): void }) {
  const [profiles, setProfiles] = useState<Profile[]>(readProfiles());
  const [name, setName] = useState('');
  const [server, setServer] = useState(location.origin);
  const change = (list: Profile[]) => {
    writeProfiles(list);
    setProfiles(list);
  };
  let origin: string | undefined;
  try {
    const url = new URL(server);
    if (url.protocol === 'http:' || url.protocol === 'https:') origin = url.origin;
  } catch {
    // The address is not complete yet.
  }
  return (
    <ExpandableSection headerText="Profiles for several servers or regions" variant="footer">
      <SpaceBetween size="s">
        {profiles.map((profile) => (
          <SpaceBetween key={profile.name} direction="horizontal" size="xs" alignItems="center">
            {profile.server === location.origin ? (
              <Button onClick={() => onChoose(profile.region)} formAction="none">
                {profile.name}
              </Button>
            ) : (
              <Button href={`${profile.server}/console/`} iconName="external">
                {profile.name}
              </Button>
            )}
            <Box color="text-body-secondary">
              {profile.server}, {profile.region}
            </Box>
            <Button
              variant="icon"
              iconName="remove"
              formAction="none"
              ariaLabel={`Forget ${profile.name}`}
              onClick={() => change(profiles.filter((other) => other.name !== profile.name))}
            />
          </SpaceBetween>
        ))}
        <FormField label="Name of a new profile">
          <Input value={name} onChange={({ detail }) => setName(detail.value)} placeholder="Hall 3" />
        </FormField>
        <FormField label="Server" errorText={server && !origin ? 'Enter an address such as https://vedette.example:8420.' : undefined}>
          <Input value={server} onChange={({ detail }) => setServer(detail.value)} />
        </FormField>
        <Button
          formAction="none"
          disabled={!name.trim() || !origin}
          onClick={() => {
            change([...profiles.filter((other) => other.name !== name.trim()), { name: name.trim(), server: origin!, region }]);
            setName('');
          }}
        >
          Keep this profile with region {region}
        </Button>
      </SpaceBetween>
    </ExpandableSection>
  );
}
