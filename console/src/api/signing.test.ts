import assert from 'node:assert/strict';
import { test } from 'node:test';
import { importSecret, queryString, signedHeaders, type UnsignedRequest } from './signing.ts';

// The expected signatures were computed with botocore 1.29, for requests with the header x-amz-content-sha256 that this
// client always sends.
const secret = 'wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY';
const scope = { service: 's3', region: 'us-east-1', host: 'example.amazonaws.com', now: new Date('2015-08-30T12:36:00Z') };
const request: UnsignedRequest = { method: 'GET', path: '/bucket/a%20b', query: [['Param2', 'value2'], ['Param1', 'a/b']], headers: {}, body: null };

test('WebCrypto and plain arithmetic make the same signature', async () => {
  const key = await importSecret(secret);
  assert.notEqual(typeof key, 'string');
  const one = await signedHeaders(request, { accessKeyId: 'AKIDEXAMPLE', secret: key }, scope);
  const other = await signedHeaders(request, { accessKeyId: 'AKIDEXAMPLE', secret }, scope);
  assert.equal(one.authorization, other.authorization);
});

test('A signature is that of botocore', async () => {
  const headers = await signedHeaders(request, { accessKeyId: 'AKIDEXAMPLE', secret }, scope);
  assert.match(headers.authorization!, /Signature=fe1f2e08f0340efb734cadb117975d36c9942ef45932befefa22d60dafe56d24$/);
  const path = '/2020-11-20/tags/arn%3Aaws%3Alookoutvision%3Aus-east-1%3A1%3Amodel%2Fp%2F1';
  const other = await signedHeaders({ ...request, path, query: [] }, { accessKeyId: 'AKIDEXAMPLE', secret, sessionToken: 'token' }, { ...scope, service: 'lookoutvision' });
  assert.match(other.authorization!, /Signature=e86a68f8f4bda489abe1f1e5fe8236f03c97a429c021d644f47ebb88d203b5ee$/);
});

test('A query is sorted by its encoded names', () => {
  assert.equal(queryString([['b', '1'], ['a', "it's"], ['a', '*']]), 'a=%2A&a=it%27s&b=1');
});
