import { useEffect, useRef } from 'react';
import Input, { type InputProps } from '@cloudscape-design/components/input';

/** The text field that a dialog opens with. The dialog would give the focus to its closing cross, which a typed space presses. */
export function FirstInput(props: InputProps) {
  const input = useRef<InputProps.Ref>(null);
  // The dialog moves the focus in an effect of its own, after this one and before the microtask.
  useEffect(() => queueMicrotask(() => input.current?.focus()), []);
  return <Input {...props} ref={input} />;
}
