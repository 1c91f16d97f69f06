// Writes src/api/generated.ts: the types of all operations and where each member travels, from the same API models that the
// server is made from.
import { readFileSync, writeFileSync } from 'node:fs';

const folder = new URL('../../src/api/', import.meta.url);
const models = ['lookoutvision', 'vedette'].map((name) => JSON.parse(readFileSync(new URL(`${name}/model.json`, folder), 'utf8')));

const typeNames = new Map(); // A type that two models have with different shapes gets the service's name before it.
const lines = ['// Made by build/generate_api.mjs from the API models. Do not edit.', ''];

function scriptType(model, name) {
  const type = model.types[name];
  switch (type.type) {
    case 'string':
      return type.enum ? type.enum.map((value) => JSON.stringify(value)).join(' | ') : 'string';
    case 'integer':
    case 'long':
    case 'float':
    case 'double':
      return 'number';
    case 'timestamp': // seconds since 1970
      return 'number';
    case 'boolean':
      return 'boolean';
    case 'blob': // base64 within JSON
      return 'string';
    case 'list':
      return `${wrapped(scriptType(model, type.item))}[]`;
    case 'structure':
      return typeNames.get(`${model.service}.${name}`);
    default:
      throw new Error(`The generator does not know the type ${type.type} of ${name}.`);
  }
}
const wrapped = (text) => (text.includes('|') ? `(${text})` : text);

for (const model of models)
  for (const [name, type] of Object.entries(model.types))
    if (type.type === 'structure') {
      const other = models.find((m) => m !== model && m.types[name]);
      const same = !other || JSON.stringify(other.types[name]) === JSON.stringify(type);
      typeNames.set(`${model.service}.${name}`, same ? name : `${model.service[0].toUpperCase()}${model.service.slice(1)}${name}`);
    }

const written = new Set();
for (const model of models)
  for (const [name, type] of Object.entries(model.types)) {
    const own = typeNames.get(`${model.service}.${name}`);
    if (type.type !== 'structure' || written.has(own)) continue;
    written.add(own);
    lines.push(`export interface ${own} {`);
    for (const [member, shape] of Object.entries(type.members)) lines.push(`  ${member}${shape.required ? '' : '?'}: ${scriptType(model, shape.type)};`);
    lines.push('}');
  }

lines.push('', 'export interface Operations {');
for (const model of models)
  for (const operation of model.operations) {
    const member = (m) => `${m.name}${m.required ? '' : '?'}: ${m.in === 'payload' ? 'Uint8Array | string' : scriptType(model, m.type)}`;
    const members = (list) => (list?.length ? `{ ${list.map(member).join('; ')} }` : 'Record<string, never>');
    lines.push(`  ${operation.name}: { input: ${members(operation.input)}; output: ${members(operation.output)} };`);
  }
lines.push('}', '', "export type Place = 'path' | 'query' | 'header' | 'body' | 'payload';");
lines.push('export interface OperationShape { service: string; method: string; path: string; action: string; members: Record<string, [Place, string]> }');
lines.push('export const operations: Record<keyof Operations, OperationShape> = {');
for (const model of models)
  for (const operation of model.operations) {
    const members = Object.fromEntries((operation.input ?? []).map((m) => [m.name, [m.in, m.wire ?? m.name]]));
    lines.push(
      `  ${operation.name}: ${JSON.stringify({ service: model.signing_name, method: operation.method, path: operation.path, action: operation.action, members })},`,
    );
  }
lines.push('};', '');
writeFileSync(new URL('../src/api/generated.ts', import.meta.url), lines.join('\n'));
