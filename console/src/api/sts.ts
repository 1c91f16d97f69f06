// Exchanges an access key for a session, and asks whose a session is.
import { Client } from './client.ts';
import { ApiError } from './errors.ts';
import { importSecret } from './signing.ts';

async function query(client: Client, form: Record<string, string>): Promise<Document> {
  const response = await client.send('sts', {
    method: 'POST',
    path: '/',
    query: [],
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
    body: new URLSearchParams({ Version: '2011-06-15', ...form }).toString(),
  });
  return new DOMParser().parseFromString(await response.text(), 'application/xml');
}

const textOf = (document: Document, name: string) => {
  const text = document.getElementsByTagName(name)[0]?.textContent;
  if (!text) throw new ApiError('MalformedAnswer', `The answer of the sign-in lacks ${name}.`, 200);
  return text;
};

export async function getSessionToken(accessKeyId: string, secretAccessKey: string, region: string, durationSeconds: number) {
  const client = new Client({ accessKeyId, secret: await importSecret(secretAccessKey) }, region);
  const ask = () => query(client, { Action: 'GetSessionToken', DurationSeconds: String(durationSeconds) });
  let answer: Document;
  try {
    answer = await ask();
  } catch (error) {
    // The clock of this computer may be wrong. The refusal told the server's time, with which the second try is signed.
    if (!(error instanceof ApiError) || error.code !== 'RequestTimeTooSkewed') throw error;
    answer = await ask();
  }
  return {
    accessKeyId: textOf(answer, 'AccessKeyId'),
    secret: await importSecret(textOf(answer, 'SecretAccessKey')),
    sessionToken: textOf(answer, 'SessionToken'),
    expires: Date.parse(textOf(answer, 'Expiration')),
  };
}

export async function getCallerIdentity(client: Client) {
  const answer = await query(client, { Action: 'GetCallerIdentity' });
  return { account: textOf(answer, 'Account'), arn: textOf(answer, 'Arn'), user: textOf(answer, 'Arn').split('/').pop()! };
}
