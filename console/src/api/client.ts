// Calls the services of the server that the page came from, signed like any other client.
import { ApiError } from './errors.ts';
import { operations, type Operations } from './generated.ts';
import { encode, queryString, signedHeaders, type Credentials, type UnsignedRequest } from './signing.ts';

export type OperationName = keyof Operations;
export type Input<K extends OperationName> = Operations[K]['input'];
export type Output<K extends OperationName> = Operations[K]['output'];

export interface SendOptions {
  signal?: AbortSignal;
}

/** What the services answer when a session has expired, or when the key behind it was revoked. */
const kEndsOfSessions = new Set(['ExpiredToken', 'ExpiredTokenException', 'InvalidToken', 'InvalidClientTokenId', 'UnrecognizedClientException', 'InvalidAccessKeyId']);

export class Client {
  /** `onExpired` is called when the server no longer takes the session. */
  constructor(
    readonly credentials: Credentials,
    readonly region: string,
    private readonly onExpired: () => void = () => {},
    private readonly endpoint: string = window.location.origin,
  ) {}

  async call<K extends OperationName>(name: K, input: Input<K>, options: SendOptions = {}): Promise<Output<K>> {
    const shape = operations[name];
    let path = shape.path;
    const query: [string, string][] = [];
    const headers: Record<string, string> = {};
    let json: Record<string, unknown> | null = null;
    let body: UnsignedRequest['body'] = null;
    for (const [member, value] of Object.entries(input as Record<string, unknown>)) {
      if (value === undefined) continue;
      const [place, wire] = shape.members[member]!;
      if (place === 'path') path = path.replace(`{${wire}}`, encode(String(value)));
      else if (place === 'query') for (const one of Array.isArray(value) ? value : [value]) query.push([wire, String(one)]);
      else if (place === 'header') headers[wire.toLowerCase()] = String(value);
      else if (place === 'payload') body = value as Uint8Array | string;
      else (json ??= {})[wire] = value;
    }
    if (json) body = JSON.stringify(json);
    else if (body === null && shape.method !== 'GET' && shape.method !== 'DELETE') body = '{}';
    if (body !== null && !headers['content-type']) headers['content-type'] = 'application/json';
    const response = await this.send(shape.service, { method: shape.method, path, query, headers, body }, options);
    const text = await response.text();
    return (text ? JSON.parse(text) : {}) as Output<K>;
  }

  /** Follows the pages of a listing and returns all of its items. */
  async all<K extends OperationName, M extends keyof Output<K>>(name: K, list: M, input: Input<K>, options: SendOptions = {}): Promise<NonNullable<Output<K>[M]>> {
    const items: unknown[] = [];
    let token: string | undefined;
    do {
      const page = (await this.call(name, { ...input, ...(token ? { NextToken: token } : {}) } as Input<K>, options)) as Output<K> & { NextToken?: string };
      items.push(...((page[list] as unknown[] | undefined) ?? []));
      token = page.NextToken;
    } while (token);
    return items as NonNullable<Output<K>[M]>;
  }

  /** Signs and sends a request. Throws an ApiError unless the status is that of success. */
  async send(service: string, request: UnsignedRequest, options: SendOptions = {}): Promise<Response> {
    const scope = { service, region: this.region, host: new URL(this.endpoint).host, now: new Date(Date.now() + clockOffset) };
    const headers = await signedHeaders(request, this.credentials, scope);
    const query = queryString(request.query);
    let response: Response;
    try {
      response = await fetch(`${this.endpoint}${request.path}${query ? `?${query}` : ''}`, {
        method: request.method,
        headers,
        body: request.body as BodyInit | null,
        signal: options.signal ?? null,
        cache: 'no-store',
        credentials: 'omit',
        redirect: 'error',
      });
    } catch (error) {
      if (options.signal?.aborted) throw error;
      throw new ApiError('NetworkError', 'The server does not answer. Check that it runs and that the network is up; then try again.', 0);
    }
    if (response.ok || response.status === 304) return response;
    const error = await readError(response, request.method);
    if (kEndsOfSessions.has(error.code)) this.onExpired();
    throw error;
  }
}

/** How far the server's clock is ahead of this one, in milliseconds. Signatures are only valid near the server's time. */
let clockOffset = 0;
export function learnClock(response: Response) {
  const date = Date.parse(response.headers.get('date') ?? '');
  if (!Number.isNaN(date) && Math.abs(date - Date.now()) > 60_000) clockOffset = date - Date.now();
}

async function readError(response: Response, method: string): Promise<ApiError> {
  learnClock(response);
  const requestId = response.headers.get('x-amzn-requestid') ?? response.headers.get('x-amz-request-id') ?? '';
  const text = method === 'HEAD' ? '' : await response.text().catch(() => '');
  const header = response.headers.get('x-amzn-errortype')?.split(':')[0];
  if (header) {
    let message = '';
    try {
      const body = JSON.parse(text) as { Message?: string; message?: string };
      message = body.Message ?? body.message ?? '';
    } catch {
      // The name of the error says enough.
    }
    return new ApiError(header, message || header, response.status, requestId);
  }
  const xml = (name: string) => new RegExp(`<${name}>([^<]*)</${name}>`).exec(text)?.[1]?.replaceAll('&lt;', '<').replaceAll('&gt;', '>').replaceAll('&quot;', '"').replaceAll('&amp;', '&');
  const code = xml('Code') ?? `Status${response.status}`;
  return new ApiError(code, xml('Message') ?? `The server answered with status ${response.status}.`, response.status, requestId);
}

/** A token for calls that must happen once, even if they are sent again. */
export function clientToken(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}
