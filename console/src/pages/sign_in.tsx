import { useState } from 'react';
import Alert from '@cloudscape-design/components/alert';
import Button from '@cloudscape-design/components/button';
import Container from '@cloudscape-design/components/container';
import ExpandableSection from '@cloudscape-design/components/expandable-section';
import Form from '@cloudscape-design/components/form';
import FormField from '@cloudscape-design/components/form-field';
import Header from '@cloudscape-design/components/header';
import Input from '@cloudscape-design/components/input';
import SpaceBetween from '@cloudscape-design/components/space-between';
import { ApiError, sentenceOf } from '../api/errors.ts';
import { Profiles } from '../session/profiles_panel.tsx';
import { lastRegion } from '../session/profiles.ts';
import { useSessionControl } from '../session/session.tsx';

/** Takes a whole credentials file, pasted into the first field, apart. */
function fromCredentialsFile(text: string): { id: string; secret: string } | null {
  const id = /aws_access_key_id\s*=\s*(\S+)/.exec(text)?.[1];
  const secret = /aws_secret_access_key\s*=\s*(\S+)/.exec(text)?.[1];
  return id && secret ? { id, secret } : null;
}

function explain(error: unknown): string {
  if (error instanceof ApiError && ['InvalidClientTokenId', 'UnrecognizedClientException', 'InvalidAccessKeyId'].includes(error.code))
    return 'The server does not know this access key. Compare it with the file that you have it from.';
  if (error instanceof ApiError && error.code.startsWith('SignatureDoesNotMatch')) return 'The secret does not belong to this access key. Check that it was copied as a whole.';
  return sentenceOf(error);
}

export function SignInPage({ reason }: { reason?: string }) {
  const { signIn } = useSessionControl();
  const [id, setId] = useState('');
  const [secret, setSecret] = useState('');
  const [region, setRegion] = useState(lastRegion());
  const [error, setError] = useState<string>();
  const [busy, setBusy] = useState(false);

  async function submit() {
    if (busy) return;
    if (!id.trim() || !secret.trim()) return setError('Enter the access key and its secret.');
    setBusy(true);
    setError(undefined);
    try {
      await signIn(id.trim(), secret.trim(), region.trim());
    } catch (problem) {
      setError(explain(problem));
      setBusy(false);
    }
  }

  return (
    <main className="sign-in">
      <form
        onSubmit={(event) => {
          event.preventDefault();
          void submit();
        }}
      >
        <Form
          header={
            <Header variant="h1" description="Find defects in pictures of manufactured parts.">
              Sign in to Vedette
            </Header>
          }
        >
          <SpaceBetween size="l">
            {reason && <Alert type="info">{reason}</Alert>}
            <Container>
              <SpaceBetween size="m">
                <FormField label="Access key" description="You may paste the whole credentials file here.">
                  <Input
                    value={id}
                    autoFocus
                    autoComplete="username"
                    ariaLabel="Access key"
                    spellcheck={false}
                    onChange={({ detail }) => {
                      const both = fromCredentialsFile(detail.value);
                      setError(undefined);
                      setId(both?.id ?? detail.value);
                      if (both) setSecret(both.secret);
                    }}
                  />
                </FormField>
                <FormField label="Secret access key">
                  <Input
                    value={secret}
                    type="password"
                    autoComplete="current-password"
                    ariaLabel="Secret access key"
                    onChange={({ detail }) => {
                      setError(undefined);
                      setSecret(detail.value);
                    }}
                  />
                </FormField>
                <FormField label="Region" description="Projects of different regions do not see each other.">
                  <Input value={region} ariaLabel="Region" spellcheck={false} onChange={({ detail }) => setRegion(detail.value)} />
                </FormField>
                {error && <Alert type="error">{error}</Alert>}
                <Button variant="primary" loading={busy} formAction="submit" fullWidth>
                  Sign in
                </Button>
              </SpaceBetween>
            </Container>
            <ExpandableSection headerText="Where do I find my key?" variant="footer">
              The first start of the server wrote the administrator's key to the file <code>admin-credentials</code> in its data folder; after the quickstart that is <code>vedette-data/admin-credentials</code>. Whoever administers the server makes
              keys for other people with <code>vedette user create</code> and <code>vedette key create</code>, or on the page “Users and keys”. The key itself does not stay in
              the browser: the page exchanges it for a session that ends by itself.
            </ExpandableSection>
            <Profiles region={region} onChoose={setRegion} />
          </SpaceBetween>
        </Form>
      </form>
    </main>
  );
}
