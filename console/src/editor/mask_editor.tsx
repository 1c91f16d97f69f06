// The mask editor as a component: the canvases, the bar of tools, and the keys.
import { useEffect, useRef, useState, useSyncExternalStore } from 'react';
import type { Label } from '../labels/colours.ts';
import { bindKeys } from '../keys/keys.ts';
import { Editor, type EditorSettings } from './editor.ts';
import { channelMatrix, isFiltered, toneTable } from './filters.ts';
import type { PictureThread } from './picture_thread.ts';
import type { Plane } from './plane.ts';
import { Toolbar } from './toolbar.tsx';
import './editor.css';

/** What keys ask of the page around the editor. */
export interface EditorActions {
  save(): void;
  saveAndNext(): void;
  previous(): void;
  next(): void;
  leave(): void;
  /** Takes over the mask of the previous picture. */
  repeat(): void;
  /** Asks the model for a suggestion; absent where there is none. */
  suggest?: () => void;
}

export interface MaskEditorProps {
  /** The picture that `thread` has open. A change of the plane opens the editor anew. */
  plane: Plane;
  thread: PictureThread;
  /** The label of each number of the plane, from 1 on. */
  labels: readonly Label[];
  /** With what the editor opens. */
  settings: EditorSettings;
  /** What is drawn on, for people who do not see it. */
  name: string;
  actions: EditorActions;
  isSuggesting?: boolean;
  /** Tells the editor when it opened, and null when it closes. */
  onEditor(editor: Editor | null): void;
}

const kNobody = { subscribe: () => () => {}, current: () => null };

/** The state of an editor, or null while there is none. */
export function useEditorState(editor: Editor | null) {
  const { subscribe, current } = editor ?? kNobody;
  return useSyncExternalStore(subscribe, current);
}

export function MaskEditor({ plane, thread, labels, settings, name, actions, isSuggesting, onEditor }: MaskEditorProps) {
  const picture = useRef<HTMLCanvasElement>(null);
  const mask = useRef<HTMLCanvasElement>(null);
  const suggestion = useRef<HTMLCanvasElement>(null);
  const tools = useRef<HTMLCanvasElement>(null);
  const [editor, setEditor] = useState<Editor | null>(null);
  const state = useEditorState(editor);
  const opening = useRef({ settings, onEditor });
  opening.current = { settings, onEditor };

  useEffect(() => {
    const made = new Editor({ picture: picture.current!, mask: mask.current!, suggestion: suggestion.current!, tools: tools.current! }, plane, thread, opening.current.settings);
    setEditor(made);
    opening.current.onEditor(made);
    made.focus();
    return () => {
      opening.current.onEditor(null);
      setEditor(null);
      made.close();
    };
  }, [plane, thread]);

  useEffect(() => editor?.setLabels(labels), [editor, labels]);

  bindKeys('editor', editor ? keysOf(editor, labels, actions) : {});

  const filters = state?.filters;
  return (
    <div className="mask-editor">
      <svg className="editor-filters" aria-hidden="true">
        {filters && isFiltered(filters) && (
          <filter id="editor-filter" colorInterpolationFilters="sRGB" x="0" y="0" width="100%" height="100%">
            <feColorMatrix type="matrix" values={channelMatrix(filters.channel)} />
            <feComponentTransfer>
              <feFuncR type="table" tableValues={toneTable(filters).join(' ')} />
              <feFuncG type="table" tableValues={toneTable(filters).join(' ')} />
              <feFuncB type="table" tableValues={toneTable(filters).join(' ')} />
            </feComponentTransfer>
          </filter>
        )}
      </svg>
      <div className="editor-stage">
        <canvas ref={picture} style={{ filter: filters && isFiltered(filters) ? 'url(#editor-filter)' : 'none' }} />
        <canvas ref={mask} style={{ opacity: state?.opacity, visibility: state?.isHidden ? 'hidden' : 'visible' }} />
        <canvas ref={suggestion} />
        <canvas
          ref={tools}
          tabIndex={0}
          role="application"
          aria-label={`Mask of ${name}`}
          aria-roledescription="drawing area"
          style={{ cursor: state?.isPanning ? 'grab' : 'crosshair' }}
        />
        <div role="status" className="editor-note">
          {state?.note && <span>{state.note}</span>}
          {state?.threshold != null && <span>{`Suggestion from ${state.threshold} of 255: the wheel moves it, Enter accepts, Esc rejects.`}</span>}
          {isSuggesting && <span>The model computes a suggestion …</span>}
        </div>
      </div>
      {editor && state && <Toolbar editor={editor} state={state} onSuggest={actions.suggest} isSuggesting={isSuggesting} />}
    </div>
  );
}

function keysOf(editor: Editor, labels: readonly Label[], actions: EditorActions) {
  const zoom = 1.25;
  return {
    brush: () => editor.set({ tool: 'brush' }),
    eraser: () => editor.set({ tool: 'eraser' }),
    swap: () => editor.swap(),
    polygon: () => editor.set({ tool: 'polygon' }),
    livewire: () => editor.set({ tool: 'livewire' }),
    fill: () => editor.set({ tool: 'fill' }),
    wand: () => editor.set({ tool: 'wand' }),
    ...(actions.suggest ? { suggest: actions.suggest } : {}),
    label: (event: KeyboardEvent) => {
      const number = Number(event.key);
      if (number <= labels.length) editor.set({ label: number });
    },
    smaller: () => editor.resizeTool(-1),
    larger: () => editor.resizeTool(1),
    accept: () => void editor.accept(),
    reject: () => {
      if (!editor.reject()) actions.leave();
    },
    'remove-corner': () => editor.removeCorner(),
    undo: () => editor.undo(),
    redo: () => editor.redo(),
    hide: (event: KeyboardEvent) => editor.set({ isHidden: event.type === 'keydown' }),
    pan: (event: KeyboardEvent) => editor.set({ isPanning: event.type === 'keydown' }),
    fit: () => editor.fit(),
    'zoom-in': () => editor.zoomBy(zoom),
    'zoom-out': () => editor.zoomBy(1 / zoom),
    repeat: actions.repeat,
    previous: actions.previous,
    next: actions.next,
    save: actions.save,
    'save-next': actions.saveAndNext,
  };
}
