// The few operations of S3 that the console needs, in path style.
import type { Client, SendOptions } from './client.ts';
import { ApiError } from './errors.ts';
import { encode } from './signing.ts';

export interface S3Location {
  bucket: string;
  key: string;
}

export interface S3Object {
  key: string;
  size: number;
  etag: string;
  lastModified: string;
}

export const s3Uri = ({ bucket, key }: S3Location) => `s3://${bucket}/${key}`;

/** Splits `s3://bucket/key`; the key may be empty. Returns null for anything else. */
export function parseS3Uri(uri: string): S3Location | null {
  const match = /^s3:\/\/([0-9A-Za-z.\-_]{3,63})(?:\/(.*))?$/s.exec(uri.trim());
  return match ? { bucket: match[1]!, key: match[2] ?? '' } : null;
}

const pathOf = (bucket: string, key?: string) => `/${encode(bucket)}${key === undefined ? '' : `/${key.split('/').map(encode).join('/')}`}`;

function parse(text: string): Document {
  const document = new DOMParser().parseFromString(text, 'application/xml');
  if (document.querySelector('parsererror')) throw new ApiError('MalformedAnswer', 'The server sent a listing that cannot be read.', 200);
  return document;
}
const textOf = (node: Element | Document, name: string) => node.getElementsByTagName(name)[0]?.textContent ?? '';

export class S3 {
  constructor(private readonly client: Client) {}

  async listBuckets(): Promise<string[]> {
    const response = await this.client.send('s3', { method: 'GET', path: '/', query: [], headers: {}, body: null });
    return [...parse(await response.text()).getElementsByTagName('Bucket')].map((bucket) => textOf(bucket, 'Name'));
  }

  async createBucket(bucket: string): Promise<void> {
    await this.client.send('s3', { method: 'PUT', path: pathOf(bucket), query: [], headers: {}, body: null });
  }

  /** Puts a document of settings, such as `versioning`, on a bucket. */
  async putBucketSetting(bucket: string, name: string, xml: string): Promise<void> {
    const headers = { 'content-type': 'application/xml' };
    await this.client.send('s3', { method: 'PUT', path: pathOf(bucket), query: [[name, '']], headers, body: xml });
  }

  /** One page of up to 1,000 objects and, with a delimiter, the prefixes below. */
  async list(bucket: string, prefix: string, options: { delimiter?: string; token?: string; maxKeys?: number } & SendOptions = {}) {
    const query: [string, string][] = [['list-type', '2'], ['prefix', prefix], ['encoding-type', 'url']];
    if (options.delimiter) query.push(['delimiter', options.delimiter]);
    if (options.token) query.push(['continuation-token', options.token]);
    if (options.maxKeys) query.push(['max-keys', String(options.maxKeys)]);
    const response = await this.client.send('s3', { method: 'GET', path: pathOf(bucket), query, headers: {}, body: null }, options);
    const document = parse(await response.text());
    const decode = (text: string) => decodeURIComponent(text.replaceAll('+', ' '));
    const objects: S3Object[] = [...document.getElementsByTagName('Contents')].map((node) => ({
      key: decode(textOf(node, 'Key')),
      size: Number(textOf(node, 'Size')),
      etag: textOf(node, 'ETag').replaceAll('"', ''),
      lastModified: textOf(node, 'LastModified'),
    }));
    const prefixes = [...document.getElementsByTagName('CommonPrefixes')].map((node) => decode(textOf(node, 'Prefix')));
    const token = textOf(document, 'IsTruncated') === 'true' ? textOf(document, 'NextContinuationToken') : undefined;
    return { objects, prefixes, token };
  }

  /** All objects below a prefix, at most `limit` of them. */
  async listAll(bucket: string, prefix: string, limit = 100_000, options: SendOptions = {}): Promise<S3Object[]> {
    const found: S3Object[] = [];
    let token: string | undefined;
    do {
      const page = await this.list(bucket, prefix, { ...options, token });
      found.push(...page.objects);
      token = page.token;
    } while (token && found.length < limit);
    return found.slice(0, limit);
  }

  async get({ bucket, key }: S3Location, options: SendOptions = {}): Promise<Response> {
    return this.client.send('s3', { method: 'GET', path: pathOf(bucket, key), query: [], headers: {}, body: null }, options);
  }

  async put({ bucket, key }: S3Location, body: Blob | Uint8Array | string, contentType: string, options: SendOptions & { headers?: Record<string, string> } = {}) {
    const headers = { 'content-type': contentType, ...options.headers };
    await this.client.send('s3', { method: 'PUT', path: pathOf(bucket, key), query: [], headers, body }, options);
  }

  /**
   * Puts everything that a tar archive holds, under the names that it has there: all of it, or nothing. The server tells the types from
   * the names. The caller must be allowed to put `key`, too, although nothing is put there.
   */
  async putUnpacked({ bucket, key }: S3Location, archive: Uint8Array, options: SendOptions = {}) {
    await this.put({ bucket, key }, archive, 'application/x-tar', { ...options, headers: { 'x-amz-meta-snowball-auto-extract': 'true' } });
  }

  async delete({ bucket, key }: S3Location): Promise<void> {
    await this.client.send('s3', { method: 'DELETE', path: pathOf(bucket, key), query: [], headers: {}, body: null });
  }
}
