import type { ButtonProps } from '@cloudscape-design/components/button';
import Button from '@cloudscape-design/components/button';
import { useSession } from '../session/session.tsx';
import type { SimulatedAction } from '../session/permissions.ts';

/** A button for one action of the API. It is grey, and says why, for people who may not do this. */
export function ActionButton({ action, ...props }: ButtonProps & { action: SimulatedAction }) {
  const { may } = useSession();
  if (may(action)) return <Button {...props} />;
  return <Button {...props} disabled disabledReason={`Your user may not do this (${action}). Ask whoever administers the server.`} />;
}
