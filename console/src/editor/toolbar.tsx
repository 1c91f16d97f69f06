// The bar of tools below the picture: one stop for the Tab key, arrow keys inside.
import { useEffect, useRef, useState, type FocusEvent, type KeyboardEvent, type ReactNode } from 'react';
import { findEntry, showChord } from '../keys/keys.ts';
import { showKeys } from '../keys/keys_help.tsx';
import type { Editor, EditorState, Tool } from './editor.ts';
import { Icon, type IconName } from './icons.tsx';

interface ButtonProps {
  icon: IconName;
  label: string;
  /** The id of the key that does the same. */
  keyId?: string;
  pressed?: boolean;
  disabled?: boolean;
  onClick(): void;
}

function Button({ icon, label, keyId, pressed, disabled, onClick }: ButtonProps) {
  const key = keyId ? findEntry('editor', keyId)?.keys[0] : undefined;
  return (
    <button
      type="button"
      className="tool"
      aria-label={label}
      aria-pressed={pressed}
      aria-keyshortcuts={key?.replace('Ctrl', 'Control')}
      // A disabled button would lose the focus of the keyboard, for instance after the last undo.
      aria-disabled={disabled || undefined}
      title={key ? `${label} (${showChord(key)})` : label}
      onClick={disabled ? undefined : onClick}
    >
      <Icon name={icon} />
    </button>
  );
}

const Group = ({ label, children }: { label: string; children: ReactNode }) => (
  <div role="group" aria-label={label} className="tool-group">
    {children}
  </div>
);

const tools: { tool: Tool; label: string; icon: IconName }[] = [
  { tool: 'brush', label: 'Brush', icon: 'brush' },
  { tool: 'eraser', label: 'Eraser', icon: 'eraser' },
  { tool: 'polygon', label: 'Polygon', icon: 'polygon' },
  { tool: 'livewire', label: 'Live-wire', icon: 'livewire' },
  { tool: 'fill', label: 'Fill', icon: 'fill' },
  { tool: 'wand', label: 'Wand', icon: 'wand' },
];

/** The slider of sizes is logarithmic, from half a pixel to 500. */
const kSmallest = 0.5;
const kRange = Math.log(1000);
const toSlider = (radius: number) => Math.round((100 * Math.log(radius / kSmallest)) / kRange);
const fromSlider = (value: number) => Math.round(2 * kSmallest * Math.exp((value / 100) * kRange)) / 2;

const stopsOf = (bar: HTMLElement) => [...bar.querySelectorAll<HTMLElement>('button, input')];

/** Moves the focus inside a bar with the arrow keys, and lets Tab stop where it was last, as the pattern of tool bars of WAI-ARIA says. */
function useRovingFocus() {
  const bar = useRef<HTMLDivElement>(null);
  const [active, setActive] = useState(0);
  useEffect(() => {
    const stops = stopsOf(bar.current!);
    stops.forEach((stop, i) => (stop.tabIndex = i === Math.min(active, stops.length - 1) ? 0 : -1));
  });
  return {
    ref: bar,
    onFocus: (event: FocusEvent<HTMLDivElement>) => setActive(Math.max(0, stopsOf(event.currentTarget).indexOf(event.target))),
    onKeyDown: (event: KeyboardEvent<HTMLDivElement>) => {
      const stops = stopsOf(event.currentTarget);
      const at = stops.indexOf(event.target as HTMLElement);
      // A slider needs the arrow keys itself;
      const step = event.target instanceof HTMLButtonElement ? { ArrowRight: 1, ArrowLeft: -1 }[event.key] : undefined;
      if (!step || at < 0) return;
      stops[(at + step + stops.length) % stops.length]!.focus();
      event.preventDefault();
    },
  };
}

export interface ToolbarProps {
  editor: Editor;
  state: EditorState;
  /** Asks for a suggested mask; absent where no model can make one. */
  onSuggest?: () => void;
  isSuggesting?: boolean;
}

export function Toolbar({ editor, state, onSuggest, isSuggesting }: ToolbarProps) {
  const roving = useRovingFocus();
  const size = state.tool === 'wand';
  const readout = size ? `${Math.round(100 * state.tolerance)} %` : `${Math.round(20 * state.radius) / 10} px`;
  return (
    <div
      {...roving}
      role="toolbar"
      aria-label="Drawing tools"
      className="editor-toolbar"
      // After a click the keys belong to the picture again; whoever uses the keyboard stays in the bar.
      onClick={(event) => {
        if (event.detail > 0 && event.target instanceof Element && event.target.closest('button')) editor.focus();
      }}
    >
      <Group label="Tools">
        {tools.map(({ tool, label, icon }) => (
          <Button key={tool} icon={icon} label={label} keyId={tool} pressed={state.tool === tool} onClick={() => editor.set({ tool })} />
        ))}
      </Group>
      <Group label="Size">
        <label className="tool-size">
          <span>{size ? 'Tolerance' : 'Size'}</span>
          {size ? (
            <input type="range" min={2} max={100} value={Math.round(100 * state.tolerance)} aria-valuetext={readout} onChange={(event) => editor.set({ tolerance: Number(event.target.value) / 100 })} />
          ) : (
            <input type="range" min={0} max={100} value={toSlider(state.radius)} aria-valuetext={readout} onChange={(event) => editor.set({ radius: fromSlider(Number(event.target.value)) })} />
          )}
          <output>{readout}</output>
        </label>
        <Button icon="close" label="Fill the inside of closed strokes" pressed={state.closeStrokes} onClick={() => editor.set({ closeStrokes: !state.closeStrokes })} />
      </Group>
      <Group label="Changes">
        <Button icon="undo" label="Undo" keyId="undo" disabled={!state.canUndo && state.corners === 0} onClick={() => editor.undo()} />
        <Button icon="redo" label="Redo" keyId="redo" disabled={!state.canRedo} onClick={() => editor.redo()} />
        <Button icon="holes" label="Fill holes smaller than the brush" onClick={() => editor.fillPinholes()} />
        <Button icon="clear" label="Clear the mask" onClick={() => editor.clear()} />
      </Group>
      {onSuggest && (
        <Group label="Suggestion">
          <Button icon="suggest" label={isSuggesting ? 'The model computes a suggestion' : 'Suggest a mask'} keyId="suggest" disabled={isSuggesting} pressed={state.threshold !== null} onClick={onSuggest} />
        </Group>
      )}
      <Group label="View">
        <Button icon="hide" label="Hide the mask" keyId="hide" pressed={state.isHidden} onClick={() => editor.set({ isHidden: !state.isHidden })} />
        <Button icon="zoomOut" label="Zoom out" keyId="zoom-out" onClick={() => editor.zoomBy(0.8)} />
        <output className="tool-zoom" aria-label="Zoom">{`${Math.round((100 * state.zoom) / (window.devicePixelRatio || 1))} %`}</output>
        <Button icon="zoomIn" label="Zoom in" keyId="zoom-in" onClick={() => editor.zoomBy(1.25)} />
        <Button icon="fit" label="Fit to the window" keyId="fit" onClick={() => editor.fit()} />
        <Button icon="keys" label="Show the keys (?)" onClick={showKeys} />
      </Group>
    </div>
  );
}
