// Messages at the top of the page: what was done, and what went wrong and what to try.
import { createContext, useCallback, useContext, useEffect, useMemo, useState, type ReactNode } from 'react';
import type { FlashbarProps } from '@cloudscape-design/components/flashbar';
import { useHashLocation } from 'wouter/use-hash-location';
import { ApiError, sentenceOf } from '../api/errors.ts';

interface Messages {
  items: FlashbarProps.MessageDefinition[];
  /** Shows a message. A message with the id of another one replaces it. */
  show(message: Omit<FlashbarProps.MessageDefinition, 'onDismiss' | 'dismissible'> & { id?: string }): void;
  succeed(text: string): void;
  /** Tells what was tried and why it failed. The message goes when the person opens another page. */
  fail(tried: string, error: unknown): void;
  dismiss(id: string): void;
}

const Context = createContext<Messages | null>(null);
const kFailure = 'failure-';

export function MessagesProvider({ children }: { children: ReactNode }) {
  const [items, setItems] = useState<FlashbarProps.MessageDefinition[]>([]);
  const [location] = useHashLocation();
  useEffect(() => setItems((list) => list.filter((item) => !item.id?.startsWith(kFailure))), [location]);
  const dismiss = useCallback((id: string) => setItems((list) => list.filter((item) => item.id !== id)), []);
  const show = useCallback<Messages['show']>(
    (message) => {
      const id = message.id ?? `message-${Date.now()}-${Math.random()}`;
      const shown = { ...message, id, dismissible: true, dismissLabel: 'Dismiss', onDismiss: () => dismiss(id) };
      setItems((list) => [shown, ...list.filter((item) => item.id !== id)].slice(0, 5));
      if (message.type === 'success') window.setTimeout(() => dismiss(id), 8000);
    },
    [dismiss],
  );
  const messages = useMemo<Messages>(
    () => ({
      items,
      show,
      dismiss,
      succeed: (text) => show({ type: 'success', content: text }),
      fail: (tried, error) => {
        const id = error instanceof ApiError && error.requestId ? ` (request ${error.requestId})` : '';
        show({ id: `${kFailure}${tried}`, type: 'error', header: tried, content: `${sentenceOf(error)}${id}` });
      },
    }),
    [items, show, dismiss],
  );
  return <Context.Provider value={messages}>{children}</Context.Provider>;
}

export function useMessages(): Messages {
  const messages = useContext(Context);
  if (!messages) throw new Error('There is no MessagesProvider above this component.');
  return messages;
}
