// What the browser keeps between pages: the session (IndexedDB, which can hold keys that no script can read) and the drafts of
// other modules. The access key itself is never kept.
import { openDB, type IDBPDatabase } from 'idb';
import type { SecretKey } from '../api/signing.ts';

export interface StoredSession {
  accessKeyId: string;
  secret: SecretKey;
  sessionToken: string;
  /** Milliseconds since 1970. */
  expires: number;
  lastUsed: number;
  region: string;
  account: string;
  user: string;
  arn: string;
}

export type StoreName = 'session' | 'drafts' | 'uploads' | 'thumbnails';

let database: Promise<IDBPDatabase> | undefined;

/** The console's database. Each store maps keys that its module chooses to values. */
export function openDatabase(): Promise<IDBPDatabase> {
  database ??= openDB('vedette-console', 1, {
    upgrade(db) {
      for (const name of ['session', 'drafts', 'uploads', 'thumbnails'] satisfies StoreName[]) db.createObjectStore(name);
    },
    terminated() {
      database = undefined;
    },
  });
  return database;
}

export const readSession = async () => (await (await openDatabase()).get('session', 'current')) as StoredSession | undefined;
export const writeSession = async (session: StoredSession) => {
  await (await openDatabase()).put('session', session, 'current');
};

/**
 * Notes that the session was used, if it is still this one. Returns false if it was signed out, has ended, or is another
 * person's by now; one transaction looks and writes, so that no tab brings back what another one has forgotten.
 */
export async function touchSession(accessKeyId: string, idleMilliseconds: number, used: boolean): Promise<boolean> {
  const store = (await openDatabase()).transaction('session', 'readwrite').objectStore('session');
  const kept = (await store.get('current')) as StoredSession | undefined;
  const now = Date.now();
  if (!kept || kept.accessKeyId !== accessKeyId || kept.expires <= now || kept.lastUsed + idleMilliseconds <= now) return false;
  if (used) await store.put({ ...kept, lastUsed: now }, 'current');
  return true;
}

/** Forgets a session, unless another one has taken its place, and what only it may see. Drafts stay for their user. */
export async function forgetSession(accessKeyId: string | undefined): Promise<void> {
  const transaction = (await openDatabase()).transaction(['session', 'thumbnails'], 'readwrite');
  const kept = (await transaction.objectStore('session').get('current')) as StoredSession | undefined;
  if (accessKeyId === undefined || kept?.accessKeyId === accessKeyId) await transaction.objectStore('session').clear();
  await transaction.objectStore('thumbnails').clear();
  await transaction.done;
}
