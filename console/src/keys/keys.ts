// The one table of keys: it binds them, shows them under `?`, and docs/console/keys.md is made from it.
import { useEffect, useRef } from 'react';

export type KeyScope = 'global' | 'gallery' | 'look' | 'editor';

export interface KeyEntry {
  id: string;
  scope: KeyScope;
  /** Chords such as `Ctrl+Shift+Z`. Letters are upper case, `Ctrl` is also the Command key of a Mac, `1-9` stands for nine digits. */
  keys: string[];
  /** What the key does. */
  sentence: string;
  /** The handler is called when the key goes down and again when it comes up; `event.type` tells which. */
  hold?: boolean;
  /** The key acts again and again while it is kept down. */
  repeats?: boolean;
}

export const kScopeTitles: Record<KeyScope, string> = { global: 'Everywhere', gallery: 'In the gallery', look: 'Where a model has judged a picture', editor: 'In the mask editor' };

export const kKeys: readonly KeyEntry[] = [
  { id: 'help', scope: 'global', keys: ['?'], sentence: 'Shows these keys.' },

  { id: 'normal', scope: 'gallery', keys: ['N'], sentence: 'Labels the chosen pictures as normal and goes to the next unlabelled one.' },
  { id: 'anomaly', scope: 'gallery', keys: ['A'], sentence: 'Labels the chosen pictures as anomaly and goes to the next unlabelled one.' },
  { id: 'normal-stay', scope: 'gallery', keys: ['Shift+N'], sentence: 'Labels the chosen pictures as normal and stays.' },
  { id: 'anomaly-stay', scope: 'gallery', keys: ['Shift+A'], sentence: 'Labels the chosen pictures as anomaly and stays.' },
  { id: 'label', scope: 'gallery', keys: ['1-9'], sentence: 'Labels the chosen pictures as anomaly and opens the mask editor with the anomaly label of this number.' },
  { id: 'repeat', scope: 'gallery', keys: ['R'], sentence: 'Repeats the previous label on the chosen pictures.' },
  { id: 'undo', scope: 'gallery', keys: ['U', 'Ctrl+Z'], sentence: 'Takes back the last label and goes back to its picture.' },
  { id: 'left', scope: 'gallery', keys: ['ArrowLeft'], sentence: 'Goes to the previous picture.', repeats: true },
  { id: 'right', scope: 'gallery', keys: ['ArrowRight'], sentence: 'Goes to the next picture.', repeats: true },
  { id: 'up', scope: 'gallery', keys: ['ArrowUp'], sentence: 'Goes to the picture above.', repeats: true },
  { id: 'down', scope: 'gallery', keys: ['ArrowDown'], sentence: 'Goes to the picture below.', repeats: true },
  { id: 'extend-left', scope: 'gallery', keys: ['Shift+ArrowLeft'], sentence: 'Extends the choice to the previous picture.', repeats: true },
  { id: 'extend-right', scope: 'gallery', keys: ['Shift+ArrowRight'], sentence: 'Extends the choice to the next picture.', repeats: true },
  { id: 'extend-up', scope: 'gallery', keys: ['Shift+ArrowUp'], sentence: 'Extends the choice by a row upwards.', repeats: true },
  { id: 'extend-down', scope: 'gallery', keys: ['Shift+ArrowDown'], sentence: 'Extends the choice by a row downwards.', repeats: true },
  { id: 'page-up', scope: 'gallery', keys: ['PageUp'], sentence: 'Goes up by a screen.', repeats: true },
  { id: 'page-down', scope: 'gallery', keys: ['PageDown'], sentence: 'Goes down by a screen.', repeats: true },
  { id: 'first', scope: 'gallery', keys: ['Home'], sentence: 'Goes to the first picture.' },
  { id: 'last', scope: 'gallery', keys: ['End'], sentence: 'Goes to the last picture.' },
  { id: 'toggle', scope: 'gallery', keys: ['Space'], sentence: 'Chooses the picture, or takes it out of the choice.' },
  { id: 'select-all', scope: 'gallery', keys: ['Ctrl+A'], sentence: 'Chooses all pictures that the filters show.' },
  { id: 'clear', scope: 'gallery', keys: ['Escape'], sentence: 'Closes the large view, or clears the choice.' },
  { id: 'magnify', scope: 'gallery', keys: ['Enter'], sentence: 'Shows the picture large.' },
  { id: 'draw', scope: 'gallery', keys: ['D'], sentence: 'Opens the picture in the mask editor.' },
  { id: 'save', scope: 'gallery', keys: ['Ctrl+S'], sentence: 'Saves the changes.' },

  { id: 'layer', scope: 'look', keys: ['H'], sentence: 'Shows the next layer over the picture: the heat map, the mask of the model, the labelled mask.' },
  { id: 'why', scope: 'look', keys: ['W'], sentence: 'Shows beside the picture which place of the good training pictures is most like the one that stands out.' },

  { id: 'brush', scope: 'editor', keys: ['B'], sentence: 'Takes the brush. The right button erases with every tool.' },
  { id: 'eraser', scope: 'editor', keys: ['E'], sentence: 'Takes the eraser.' },
  { id: 'swap', scope: 'editor', keys: ['X'], sentence: 'Swaps brush and eraser.' },
  { id: 'polygon', scope: 'editor', keys: ['P'], sentence: 'Takes the polygon: a click sets a corner, Enter or a double click closes it.' },
  { id: 'livewire', scope: 'editor', keys: ['L'], sentence: 'Takes the live-wire, which follows edges from click to click.' },
  { id: 'fill', scope: 'editor', keys: ['K'], sentence: 'Takes the fill, which recolours the touching pixels of one label.' },
  { id: 'wand', scope: 'editor', keys: ['W'], sentence: 'Takes the wand, which marks what looks like the clicked place.' },
  { id: 'suggest', scope: 'editor', keys: ['G'], sentence: 'Asks the model for a suggested mask; the wheel moves its threshold.' },
  { id: 'label', scope: 'editor', keys: ['1-9'], sentence: 'Chooses the anomaly label with this number.' },
  { id: 'smaller', scope: 'editor', keys: ['['], sentence: 'Makes the brush smaller, as Alt and the wheel do.', repeats: true },
  { id: 'larger', scope: 'editor', keys: [']'], sentence: 'Makes the brush larger.', repeats: true },
  { id: 'accept', scope: 'editor', keys: ['Enter'], sentence: 'Accepts the suggestion, or closes the polygon.' },
  { id: 'reject', scope: 'editor', keys: ['Escape'], sentence: 'Rejects the suggestion or the polygon; leaves the editor if there is none.' },
  { id: 'remove-corner', scope: 'editor', keys: ['Backspace'], sentence: 'Takes back the last corner of a polygon.', repeats: true },
  { id: 'undo', scope: 'editor', keys: ['Ctrl+Z', 'U'], sentence: 'Takes back the last change.', repeats: true },
  { id: 'redo', scope: 'editor', keys: ['Ctrl+Shift+Z', 'Ctrl+Y'], sentence: 'Makes the change again.', repeats: true },
  { id: 'hide', scope: 'editor', keys: ['H'], sentence: 'Hides the mask while it is held.', hold: true },
  { id: 'pan', scope: 'editor', keys: ['Space'], sentence: 'Moves the picture with the pointer while it is held.', hold: true },
  { id: 'fit', scope: 'editor', keys: ['F'], sentence: 'Fits the picture to the window. The wheel zooms at the pointer.' },
  { id: 'zoom-in', scope: 'editor', keys: ['+', '='], sentence: 'Zooms in.', repeats: true },
  { id: 'zoom-out', scope: 'editor', keys: ['-'], sentence: 'Zooms out.', repeats: true },
  { id: 'repeat', scope: 'editor', keys: ['R'], sentence: 'Takes over the mask of the previous picture.' },
  { id: 'previous', scope: 'editor', keys: ['ArrowLeft'], sentence: 'Goes to the previous picture.' },
  { id: 'next', scope: 'editor', keys: ['ArrowRight'], sentence: 'Goes to the next picture.' },
  { id: 'save', scope: 'editor', keys: ['Ctrl+S'], sentence: 'Saves the mask.' },
  { id: 'save-next', scope: 'editor', keys: ['Ctrl+Enter'], sentence: 'Saves the mask and goes to the next picture.' },
];

/** What of a KeyboardEvent decides which chord it is. */
export type Pressed = Pick<KeyboardEvent, 'key' | 'code' | 'ctrlKey' | 'metaKey' | 'altKey' | 'shiftKey'> & { getModifierState?: (name: string) => boolean };

/** The chord of an event as the table writes it. */
export function chordOf(event: Pressed): string {
  const digit = /^(?:Digit|Numpad)([0-9])$/.exec(event.code)?.[1];
  let key = event.key === ' ' ? 'Space' : event.key;
  // With Shift, layouts print other characters on the row of digits. An unshifted digit is what the layout prints.
  if (digit && event.shiftKey) key = digit;
  const isCharacter = [...key].length === 1;
  const isLetter = isCharacter && key.toLowerCase() !== key.toUpperCase();
  // AltGr, which many layouts need for brackets, reports Ctrl and Alt.
  const isGraph = isCharacter && (event.getModifierState?.('AltGraph') ?? false);
  const modifiers = [
    (event.ctrlKey || event.metaKey) && !isGraph ? 'Ctrl+' : '',
    event.altKey && !isGraph ? 'Alt+' : '',
    event.shiftKey && (!isCharacter || isLetter || digit !== undefined) ? 'Shift+' : '',
  ].join('');
  return modifiers + (isLetter ? key.toUpperCase() : key);
}

const matches = (entry: KeyEntry, chord: string) => entry.keys.some((key) => key === chord || (key === '1-9' && /^[1-9]$/.test(chord)));

/** The entry of a scope that a chord belongs to. */
export const findKey = (scope: KeyScope, chord: string) => kKeys.find((entry) => entry.scope === scope && matches(entry, chord));

/** The entry of a scope with an id. */
export const findEntry = (scope: KeyScope, id: string) => kKeys.find((entry) => entry.scope === scope && entry.id === id);

/** Chords as people read them, such as `Ctrl + Z` and `←`. */
export function showChord(chord: string): string {
  if (chord === '1-9') return '1 … 9';
  const arrows: Record<string, string> = { ArrowLeft: '←', ArrowRight: '→', ArrowUp: '↑', ArrowDown: '↓', Escape: 'Esc', PageUp: 'Page up', PageDown: 'Page down' };
  return chord
    .split(/(?<=.)\+(?=.)/)
    .map((part) => arrows[part] ?? part)
    .join(' + ');
}

/** Keys go where they belong: to fields that take text, to open dialogs, and to controls that use the same key. */
function belongsToControl(event: KeyboardEvent): boolean {
  const target = event.target;
  if (!(target instanceof Element)) return false;
  if (target.closest('textarea, select, [contenteditable="true"], [role="dialog"], [role="menu"], [role="listbox"], [role="combobox"]')) return true;
  if (target instanceof HTMLInputElement && !['checkbox', 'radio', 'range', 'button'].includes(target.type)) return true;
  if (event.ctrlKey || event.metaKey || event.altKey) return false;
  if ((event.key === 'Enter' || event.key === ' ') && target.closest('button, a, summary, input, [role="button"]')) return true;
  return /^(Arrow|Page|Home|End)/.test(event.key) && target.closest('input, [role="toolbar"], [role="slider"], [role="radiogroup"], [role="tablist"]') !== null;
}

export type KeyHandlers = Record<string, (event: KeyboardEvent) => void>;

const bound: KeyScope[] = [];

/** The scopes that are bound at present, for the help. */
export const boundScopes = (): KeyScope[] => [...new Set(bound)];

/**
 * Binds the keys of a scope while the component is shown: a hook. `handlers` maps ids of the table to functions; ids that it
 * lacks are not bound. An event that is handled goes no further.
 */
export function bindKeys(scope: KeyScope, handlers: KeyHandlers): void {
  const latest = useRef(handlers);
  latest.current = handlers;
  useEffect(() => {
    const held = new Map<string, (event: KeyboardEvent) => void>();
    const onDown = (event: KeyboardEvent) => {
      if (event.defaultPrevented || event.isComposing || belongsToControl(event)) return;
      const entry = findKey(scope, chordOf(event));
      const handler = entry && latest.current[entry.id];
      if (!handler) return;
      event.preventDefault();
      if (event.repeat && !entry.repeats) return;
      if (entry.hold) held.set(event.code, (up) => latest.current[entry.id]?.(up));
      handler(event);
    };
    const onUp = (event: KeyboardEvent) => {
      held.get(event.code)?.(event);
      held.delete(event.code);
    };
    // A window that loses the focus never learns that a key came up.
    const onBlur = () => {
      for (const [code, handler] of held) handler(new KeyboardEvent('keyup', { code }));
      held.clear();
    };
    bound.push(scope);
    window.addEventListener('keydown', onDown);
    window.addEventListener('keyup', onUp);
    window.addEventListener('blur', onBlur);
    return () => {
      bound.splice(bound.indexOf(scope), 1);
      window.removeEventListener('keydown', onDown);
      window.removeEventListener('keyup', onUp);
      window.removeEventListener('blur', onBlur);
      onBlur();
    };
  }, [scope]);
}

/** The table as Markdown. */
export function keysMarkdown(): string {
  const parts = ['# Keys of the console', '', 'This page is made from `console/src/keys/keys.ts` by `npm run keys`. `?` shows the same in the console.'];
  for (const scope of Object.keys(kScopeTitles) as KeyScope[]) {
    parts.push('', `## ${kScopeTitles[scope]}`, '', '| key | what it does |', '|---|---|');
    for (const entry of kKeys.filter((key) => key.scope === scope))
      parts.push(`| ${entry.keys.map((key) => `\`${showChord(key)}\``).join(', ')} | ${entry.sentence} |`);
  }
  return `${parts.join('\n')}\n`;
}
