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

/** Forgets the session and everything that was kept for it. */
export async function forgetSession(): Promise<void> {
  const db = await openDatabase();
  await Promise.all([db.clear('session'), db.clear('thumbnails')]);
}
