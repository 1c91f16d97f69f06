// The session of the person who is signed in: everything below <SessionProvider> calls the server through it.
import { createContext, useCallback, useContext, useEffect, useMemo, useRef, useState, type ReactNode } from 'react';
import { useQueryClient } from '@tanstack/react-query';
import { Client } from '../api/client.ts';
import { S3 } from '../api/s3.ts';
import { getCallerIdentity, getSessionToken } from '../api/sts.ts';
import { loadPermissions, type Permissions, type SimulatedAction } from './permissions.ts';
import { rememberRegion } from './profiles.ts';
import { forgetSession, readSession, touchSession, writeSession, type StoredSession } from './storage.ts';

const kSessionSeconds = 12 * 3600;
/** Without a click or a key for this long, the page signs out. */
const kIdleMilliseconds = 45 * 60_000;

/** Tells other tabs which session has ended. */
const channel = typeof BroadcastChannel === 'undefined' ? undefined : new BroadcastChannel('vedette-session');

export interface Session {
  client: Client;
  s3: S3;
  region: string;
  user: string;
  account: string;
  arn: string;
  permissions: Permissions;
  /** Whether the person may do this somewhere; pages grey out what they may not. */
  may(action: SimulatedAction): boolean;
  signOut(reason?: string): void;
  /** Rejects, and changes nothing, if the server refuses the region. */
  changeRegion(region: string): Promise<void>;
}

export type SessionState =
  | { phase: 'starting' }
  | { phase: 'signedOut'; reason?: string }
  | { phase: 'signedIn'; session: Session };

interface SessionControl {
  state: SessionState;
  signIn(accessKeyId: string, secretAccessKey: string, region: string): Promise<void>;
}

const Context = createContext<SessionControl | null>(null);

export function SessionProvider({ children }: { children: ReactNode }) {
  const [state, setState] = useState<SessionState>({ phase: 'starting' });
  const queries = useQueryClient();
  const stored = useRef<StoredSession>();

  /** Rises with each sign-in and sign-out, so that what was begun before them ends without effect. */
  const generation = useRef(0);

  const signOut = useCallback(
    (reason?: string) => {
      generation.current++;
      const ended = stored.current?.accessKeyId;
      stored.current = undefined;
      queries.clear();
      setState({ phase: 'signedOut', reason });
      void forgetSession(ended).then(() => channel?.postMessage(ended));
    },
    [queries],
  );

  const open = useCallback(
    async (kept: StoredSession) => {
      const mine = ++generation.current;
      const expired = () => signOut('Your session has ended. Sign in again to go on.');
      const credentials = { accessKeyId: kept.accessKeyId, secret: kept.secret, sessionToken: kept.sessionToken };
      const client = new Client(credentials, kept.region, expired);
      const permissions = await loadPermissions(client);
      if (generation.current !== mine) return;
      stored.current = kept;
      await writeSession(kept);
      if (generation.current !== mine) return forgetSession(kept.accessKeyId);
      rememberRegion(kept.region);
      const session: Session = {
        client,
        s3: new S3(client),
        region: kept.region,
        user: kept.user,
        account: kept.account,
        arn: kept.arn,
        permissions,
        may: (action) => permissions[action] ?? false,
        signOut,
        changeRegion: async (region) => {
          await open({ ...kept, region, lastUsed: Date.now() });
          queries.clear();
        },
      };
      setState({ phase: 'signedIn', session });
    },
    [queries, signOut],
  );

  useEffect(() => {
    void (async () => {
      try {
        const kept = await readSession();
        if (!kept) return setState({ phase: 'signedOut' });
        if (kept.expires <= Date.now()) return signOut('Your session has ended. Sign in again to go on.');
        if (kept.lastUsed + kIdleMilliseconds <= Date.now()) return signOut('You were signed out because the console was not used for a while.');
        await open(kept);
      } catch {
        signOut();
      }
    })();
  }, [open, signOut]);

  // Signs out after idle time, in all tabs: each use is written down, and the last one counts.
  useEffect(() => {
    if (state.phase !== 'signedIn') return;
    let written = Date.now();
    const look = async (used: boolean) => {
      const own = stored.current?.accessKeyId;
      if (own === undefined || (await touchSession(own, kIdleMilliseconds, used).catch(() => false))) return;
      signOut('You were signed out: the session has ended, was not used for a while, or was ended in another tab.');
    };
    const use = () => {
      if (Date.now() - written < 20_000) return;
      written = Date.now();
      void look(true);
    };
    const end = ({ data }: MessageEvent) => {
      if (data === stored.current?.accessKeyId) signOut('You signed out in another tab.');
    };
    const timer = window.setInterval(() => void look(false), 20_000);
    window.addEventListener('pointerdown', use);
    window.addEventListener('keydown', use);
    channel?.addEventListener('message', end);
    return () => {
      window.clearInterval(timer);
      window.removeEventListener('pointerdown', use);
      window.removeEventListener('keydown', use);
      channel?.removeEventListener('message', end);
    };
  }, [state.phase, signOut]);

  const control = useMemo<SessionControl>(
    () => ({
      state,
      async signIn(accessKeyId, secretAccessKey, region) {
        const temporary = await getSessionToken(accessKeyId, secretAccessKey, region, kSessionSeconds);
        const client = new Client({ accessKeyId: temporary.accessKeyId, secret: temporary.secret, sessionToken: temporary.sessionToken }, region);
        const identity = await getCallerIdentity(client);
        await open({ ...temporary, lastUsed: Date.now(), region, ...identity });
      },
    }),
    [state, open],
  );
  return <Context.Provider value={control}>{children}</Context.Provider>;
}

export function useSessionControl(): SessionControl {
  const control = useContext(Context);
  if (!control) throw new Error('There is no SessionProvider above this component.');
  return control;
}

/** The session of the person who is signed in; only for components that are shown after the sign-in. */
export function useSession(): Session {
  const { state } = useSessionControl();
  if (state.phase !== 'signedIn') throw new Error('Nobody is signed in.');
  return state.session;
}
