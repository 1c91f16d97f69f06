// Signature Version 4 for requests of a browser. The secret becomes a key that only signs: where the page has WebCrypto (over
// TLS and on loopback) it is a CryptoKey that no script can read back; elsewhere, browsers offer no such thing, and the secret
// of the session is kept as text.
//   https://docs.aws.amazon.com/IAM/latest/UserGuide/create-signed-request.html
import { hmac } from '@noble/hashes/hmac';
import { sha256 } from '@noble/hashes/sha2';

export type SecretKey = CryptoKey | string;

export interface Credentials {
  accessKeyId: string;
  secret: SecretKey;
  sessionToken?: string;
}

export interface UnsignedRequest {
  method: string;
  /** Absolute path, already percent-encoded as it travels. */
  path: string;
  query: [string, string][];
  /** Lower-case names. `host` and `x-amz-*` are added here. */
  headers: Record<string, string>;
  body: Uint8Array | Blob | string | null;
}

const encoder = new TextEncoder();
const kShort = 64 << 10;
const algorithm = { name: 'HMAC', hash: 'SHA-256' };
const hasWebCrypto = () => typeof crypto !== 'undefined' && crypto.subtle !== undefined;

/** Makes a key of the secret that cannot be read back, if the browser can. */
export async function importSecret(secretAccessKey: string): Promise<SecretKey> {
  if (!hasWebCrypto()) return secretAccessKey;
  return crypto.subtle.importKey('raw', encoder.encode(`AWS4${secretAccessKey}`), algorithm, false, ['sign']);
}

const kHex = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'));
const hex = (bytes: Uint8Array) => {
  let text = '';
  for (const byte of bytes) text += kHex[byte];
  return text;
};

async function sign(key: CryptoKey | Uint8Array, text: string): Promise<Uint8Array> {
  if (key instanceof Uint8Array) return hmac(sha256, key, encoder.encode(text));
  return new Uint8Array(await crypto.subtle.sign(algorithm, key, encoder.encode(text)));
}

/** The hash of a body in hex. */
export async function hashOf(body: UnsignedRequest['body']): Promise<string> {
  const bytes =
    body === null ? new Uint8Array() : typeof body === 'string' ? encoder.encode(body) : body instanceof Blob ? new Uint8Array(await body.arrayBuffer()) : body;
  // To wait for the browser's own hash takes longer than to compute a short one here.
  if (bytes.length <= kShort || !hasWebCrypto()) return hex(sha256(bytes));
  return hex(new Uint8Array(await crypto.subtle.digest('SHA-256', bytes as Uint8Array<ArrayBuffer>)));
}

/** Encodes everything but the unreserved characters of RFC 3986, as signatures need it. */
export const encode = (text: string) => encodeURIComponent(text).replace(/[!'()*]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`);

export const queryString = (query: [string, string][]) =>
  query
    .map(([name, value]) => `${encode(name)}=${encode(value)}`)
    .sort()
    .join('&');

const derived = new WeakMap<CryptoKey, Map<string, Promise<Uint8Array>>>();

/** The key that signs for one day, region and service. */
async function signingKey(secret: SecretKey, day: string, region: string, service: string): Promise<Uint8Array> {
  const derive = async () => {
    let key = await sign(typeof secret === 'string' ? encoder.encode(`AWS4${secret}`) : secret, day);
    for (const part of [region, service, 'aws4_request']) key = await sign(key, part);
    return key;
  };
  if (typeof secret === 'string') return derive();
  const known = derived.get(secret) ?? new Map<string, Promise<Uint8Array>>();
  derived.set(secret, known);
  const scope = `${day}/${region}/${service}`;
  if (!known.has(scope)) known.set(scope, derive());
  return known.get(scope)!;
}

/** Returns the headers to send: those given, and those of the signature. `host` is signed, but the browser sends it itself. */
export async function signedHeaders(
  request: UnsignedRequest,
  credentials: Credentials,
  scope: { service: string; region: string; host: string; now: Date },
): Promise<Record<string, string>> {
  const time = scope.now.toISOString().replace(/[-:]|\.\d{3}/g, '');
  const day = time.slice(0, 8);
  const bodyHash = await hashOf(request.body);
  const headers: Record<string, string> = { ...request.headers, 'x-amz-date': time, 'x-amz-content-sha256': bodyHash };
  if (credentials.sessionToken) headers['x-amz-security-token'] = credentials.sessionToken;
  const signed: Record<string, string> = { ...headers, host: scope.host };
  const names = Object.keys(signed).sort();
  // All services but S3 sign the path with each segment encoded once more.
  const path = scope.service === 's3' ? request.path : request.path.split('/').map(encode).join('/');
  const canonical = [
    request.method,
    path,
    queryString(request.query),
    ...names.map((name) => `${name}:${signed[name]!.trim().replace(/ +/g, ' ')}`),
    '',
    names.join(';'),
    bodyHash,
  ].join('\n');
  const scopeText = `${day}/${scope.region}/${scope.service}/aws4_request`;
  const text = ['AWS4-HMAC-SHA256', time, scopeText, await hashOf(canonical)].join('\n');
  const signature = hex(await sign(await signingKey(credentials.secret, day, scope.region, scope.service), text));
  headers.authorization = `AWS4-HMAC-SHA256 Credential=${credentials.accessKeyId}/${scopeText}, SignedHeaders=${names.join(';')}, Signature=${signature}`;
  return headers;
}
