// A gallery: pictures as tiles with filters, search, order and, where labels may be changed, labelling by keyboard.
import { useEffect, useLayoutEffect, useMemo, useRef, useState, type ReactNode } from 'react';
import Alert from '@cloudscape-design/components/alert';
import Box from '@cloudscape-design/components/box';
import Button from '@cloudscape-design/components/button';
import Input from '@cloudscape-design/components/input';
import SegmentedControl from '@cloudscape-design/components/segmented-control';
import Select, { type SelectProps } from '@cloudscape-design/components/select';
import Spinner from '@cloudscape-design/components/spinner';
import { sentenceOf } from '../api/errors.ts';
import { count, duration, plural } from '../app/format.ts';
import { bindKeys } from '../keys/keys.ts';
import { showKeys } from '../keys/keys_help.tsx';
import type { Looking } from '../looks/look.ts';
import { LargeView, type LoadPicture } from './large_view.tsx';
import { useGallery, type GalleryModel } from './model.ts';
import { kAnomaly, kNormal, kUnlabelled, type Label } from './rows.ts';
import { TileGrid, type TileSize } from './tile_grid.ts';
import { anomalyLabelsOf, type Filter, type Order } from './view.ts';
import './gallery.css';

export interface GalleryProps {
  model: GalleryModel;
  loadPicture: LoadPicture;
  /** What the gallery is called, for screen readers. */
  name: string;
  /** Whether the labels may be changed here. */
  canLabel: boolean;
  /** The model whose verdicts are shown: it can be asked what it sees in a picture. */
  looking?: Looking;
  /** Why they may not, shown on the buttons. Without a reason the gallery is only for looking and has no such buttons. */
  whyNot?: string;
  /** Opens the mask editor; `label` is the number of the anomaly label to draw with, from 1 on. */
  onDraw?: (sourceRef: string, label?: number) => void;
  onSave?: () => void;
  /** What stands beside the commands, such as the buttons that save. */
  actions?: ReactNode;
  /** What is shown if the source has no pictures. */
  empty: ReactNode;
  /** The height of the tiles' frame in pixels; by default the rest of the window. */
  height?: number;
}

const kSizeKey = 'vedette.tiles';
const readSize = (): TileSize => {
  const kept = localStorage.getItem(kSizeKey);
  return kept === 'S' || kept === 'L' ? kept : 'M';
};

export function Gallery({ model, loadPicture, name, canLabel, looking, whyNot, onDraw, onSave, actions, empty, height }: GalleryProps) {
  useGallery(model);
  const frame = useRef<HTMLDivElement>(null);
  const scroller = useRef<HTMLDivElement>(null);
  const grid = useRef<TileGrid>();
  const [size, setSize] = useState(readSize);
  const [isLarge, setLarge] = useState(false);

  const isShown = model.total !== 0;
  useHeight(frame, height, isShown);
  useEffect(() => {
    if (!isShown) return;
    const made = new TileGrid(scroller.current!, model, () => openLarge());
    grid.current = made;
    return () => made.close();
  }, [model, isShown]);
  useEffect(() => grid.current?.setSize(size), [model, isShown, size]);
  const hasRows = model.rows.length > 0;
  useEffect(() => {
    if (hasRows && document.activeElement === document.body) scroller.current?.focus({ preventScroll: true });
  }, [hasRows]);

  const openLarge = () => {
    if (model.selection.focus < 0) return;
    model.selection.clear();
    model.changed();
    setLarge(true);
  };
  const closeLarge = () => {
    setLarge(false);
    grid.current?.reveal();
  };
  /** Does something to the gallery and shows where the focus is then. */
  const act = (action: () => void) => () => {
    action();
    model.changed();
    grid.current?.reveal();
  };
  const label = (value: Label, advance: boolean) => act(() => model.label(value, { advance }));
  const move = (steps: () => number, extend = false) => act(() => model.selection.moveBy(steps(), { extend }));
  const draw = (number?: number) => {
    const row = model.rows[model.selection.focus];
    if (row && onDraw) onDraw(row.sourceRef, number);
  };
  const perRow = () => (isLarge ? 1 : (grid.current?.perRow ?? 1));
  const screen = () => perRow() * (isLarge ? 10 : (grid.current?.rowsPerScreen ?? 1));
  const labelling = canLabel
    ? {
        normal: label(kNormal, true),
        anomaly: label(kAnomaly, true),
        'normal-stay': label(kNormal, false),
        'anomaly-stay': label(kAnomaly, false),
        repeat: act(() => model.repeat()),
        undo: act(() => model.undo()),
        ...(onSave && { save: onSave }),
        ...(onDraw && {
          label: (event: KeyboardEvent) => {
            model.label(kAnomaly, { advance: false });
            draw(Number(/[1-9]$/.exec(event.code)?.[0] ?? event.key));
          },
        }),
      }
    : {};
  bindKeys('gallery', {
    left: move(() => -1),
    right: move(() => 1),
    up: move(() => -perRow()),
    down: move(() => perRow()),
    'extend-left': move(() => -1, true),
    'extend-right': move(() => 1, true),
    'extend-up': move(() => -perRow(), true),
    'extend-down': move(() => perRow(), true),
    'page-up': move(() => -screen()),
    'page-down': move(() => screen()),
    first: act(() => model.selection.moveTo(0)),
    last: act(() => model.selection.moveTo(model.view.length - 1)),
    toggle: act(() => model.selection.toggleFocus()),
    'select-all': act(() => model.selection.chooseAll()),
    clear: isLarge ? closeLarge : act(() => model.selection.clear()),
    magnify: isLarge ? closeLarge : openLarge,
    ...(onDraw && { draw: () => draw() }),
    ...labelling,
  });

  if (!isShown) return <>{empty}</>;
  const back = (action: () => void) => () => {
    action();
    scroller.current?.focus({ preventScroll: true });
  };
  const chosen = model.selection.chosen.size;
  const nothing = model.selection.focus < 0;
  const disabled = { disabled: !canLabel || nothing, disabledReason: canLabel ? undefined : whyNot };
  return (
    <div className="gallery">
      <div className="gallery-bar">
        <div className="grows">
          <Input type="search" value={model.query.search} placeholder="Search by name" ariaLabel="Search by name" onChange={({ detail }) => model.ask({ search: detail.value })} />
        </div>
        {canLabel && <Progress model={model} />}
        {model.query.only && (
          <Button iconName="close" iconAlign="right" ariaLabel={`Show not only ${model.query.only.title}`} onClick={() => model.ask({ only: undefined })}>
            {model.query.only.title}
          </Button>
        )}
        <FilterChoice model={model} />
        <HideOutdated model={model} />
        <OrderChoice model={model} />
        <SegmentedControl
          label="Size of the pictures"
          selectedId={size}
          options={(['S', 'M', 'L'] as const).map((id) => ({ id, text: id }))}
          onChange={({ detail }) => {
            localStorage.setItem(kSizeKey, detail.selectedId);
            setSize(detail.selectedId as TileSize);
          }}
        />
        <Button iconName="keyboard" variant="icon" ariaLabel="Show the keys (?)" onClick={showKeys} />
      </div>
      <div className="gallery-bar" role="toolbar" aria-label="Labels">
        {(canLabel || whyNot) && (
          <>
            <Button onClick={back(act(() => (chosen > 0 ? model.selection.clear() : model.selection.chooseAll())))} disabled={model.view.length === 0}>
              {chosen > 0 ? `Clear (${count(chosen)})` : 'Select all'}
            </Button>
            <Button {...disabled} onClick={back(label(kNormal, true))}>
              Normal (N)
            </Button>
            <Button {...disabled} onClick={back(label(kAnomaly, true))}>
              Anomaly (A)
            </Button>
            <Button {...disabled} onClick={back(label(kUnlabelled, false))}>
              No label
            </Button>
            <Button iconName="undo" ariaLabel="Undo (U)" disabled={!canLabel || !model.labels.canUndo} onClick={back(act(() => model.undo()))} />
          </>
        )}
        <Button iconName="zoom-in" ariaLabel="Show large (Enter)" disabled={nothing} onClick={openLarge} />
        <span className="space" />
        {actions}
      </div>
      {model.error !== undefined && (
        <Alert type="error" header="Not all pictures could be listed" action={<Button onClick={() => void model.load()}>Try again</Button>}>
          {sentenceOf(model.error)}
        </Alert>
      )}
      <div className="gallery-frame" ref={frame}>
        <div className="gallery-scroller" ref={scroller} role="grid" tabIndex={0} aria-label={name} aria-multiselectable="true" aria-busy={!model.isComplete} />
        {model.view.length === 0 && (
          <div className="gallery-message">
            {model.total === undefined ? model.error === undefined && <Spinner size="large" /> : <NoMatch model={model} />}
          </div>
        )}
      </div>
      {isLarge && <LargeView model={model} loadPicture={loadPicture} canLabel={canLabel} looking={looking} onClose={closeLarge} onDraw={onDraw && (() => draw())} />}
    </div>
  );
}

function NoMatch({ model }: { model: GalleryModel }) {
  return (
    <div>
      <Box variant="h3">{model.query.filter === 'unlabelled' && !model.query.search ? 'Every picture is labelled' : 'No picture matches'}</Box>
      <Box variant="p" color="text-body-secondary">
        {model.isComplete ? 'Show all pictures to go on.' : 'The rest of the list is still being loaded.'}
      </Box>
      <Button onClick={() => model.ask({ filter: 'all', search: '', only: undefined })}>Show all pictures</Button>
    </div>
  );
}

/** "212 left, about 6 min" */
function Progress({ model }: { model: GalleryModel }) {
  const { left } = model.labels.counts();
  const seconds = model.pace.secondsFor(left);
  if (!model.isComplete) return null;
  return (
    <span className="gallery-status" role="status">
      {left === 0 ? (
        'All are labelled'
      ) : (
        <>
          <strong>{count(left)}</strong> left{seconds !== undefined && `, about ${duration(seconds)}`}
        </>
      )}
    </span>
  );
}

/** Pictures that were labelled stay where they are until the person wants them away. */
function HideOutdated({ model }: { model: GalleryModel }) {
  const { outdated } = model;
  if (outdated === 0) return null;
  const text = `Hide ${plural(outdated, 'picture')} that the filter no longer matches`;
  return (
    <span title={text}>
      <Button variant="icon" iconName="refresh" ariaLabel={text} onClick={() => model.arrange()} />
    </span>
  );
}

function FilterChoice({ model }: { model: GalleryModel }) {
  const counts = model.labels.counts();
  const labels = useMemo(() => anomalyLabelsOf(model.rows), [model, model.rows.length]);
  const isJudged = model.rows[0]?.verdict !== undefined;
  const option = (value: Filter, text: string, number?: number) => ({ value, label: number === undefined ? text : `${text} (${count(number)})` });
  const states = [
    option('all', 'All pictures', counts.total),
    option('unlabelled', 'Unlabelled', counts.unlabelled),
    option('labelled', 'Labelled', counts.labelled),
    option('normal', 'Normal', counts.normal),
    option('anomaly', 'Anomaly', counts.anomaly),
    ...(counts.edited || model.query.filter === 'edited' ? [option('edited', 'Not saved', counts.edited)] : []),
    ...(isJudged ? [option('wrong', 'Model was wrong'), option('right', 'Model was right')] : []),
  ];
  const ofLabels = labels.map(([label, number]) => option(`label:${label}`, label, number));
  const options: SelectProps.Options = ofLabels.length ? [...states, { label: 'Anomaly labels', options: ofLabels }] : states;
  const selected = [...states, ...ofLabels].find(({ value }) => value === model.query.filter) ?? states[0]!;
  return (
    <div className="choice">
      <Select ariaLabel="Which pictures are shown" selectedOption={selected} options={options} onChange={({ detail }) => model.ask({ filter: detail.selectedOption.value as Filter })} />
    </div>
  );
}

function OrderChoice({ model }: { model: GalleryModel }) {
  const [first] = model.rows;
  const options: { value: Order; label: string }[] = [
    { value: 'dataset', label: 'In the order added' },
    { value: 'name', label: 'By name' },
    { value: 'newest', label: 'Newest label first' },
    { value: 'oldest', label: 'Oldest label first' },
    ...(first?.score !== undefined ? [{ value: 'score' as const, label: 'Most anomalous first' }] : []),
    ...(first?.confidence !== undefined
      ? [
          { value: 'unsure' as const, label: 'Least confident first' },
          { value: 'confident' as const, label: 'Most confident first' },
        ]
      : []),
    ...(first?.verdict !== undefined ? [{ value: 'disagreement' as const, label: 'Model against label first' }] : []),
  ];
  const selected = options.find(({ value }) => value === model.query.order) ?? options[0]!;
  return (
    <div className="choice">
      <Select ariaLabel="Order" selectedOption={selected} options={options} onChange={({ detail }) => model.ask({ order: detail.selectedOption.value as Order })} />
    </div>
  );
}

const kLeastHeight = 320;
const kMostBelow = 44;

/** Gives an element a height, by default that of the rest of the window below its top. */
function useHeight(frame: React.RefObject<HTMLElement>, height: number | undefined, isShown: boolean) {
  useLayoutEffect(() => {
    const fill = () => {
      const element = frame.current;
      if (!element) return;
      const { scrollHeight } = document.documentElement;
      const { top, bottom } = element.getBoundingClientRect();
      // What the page has below the frame, such as its padding, shall be on the screen, too.
      const below = Math.max(20, Math.min(kMostBelow, scrollHeight - window.scrollY - bottom));
      element.style.height = `${height ?? Math.max(kLeastHeight, Math.floor(window.innerHeight - window.scrollY - top - below))}px`;
    };
    fill();
    // What comes or goes above changes the size of something around.
    const observer = new ResizeObserver(fill);
    for (let element: Element | null = frame.current; element; element = element.parentElement) observer.observe(element);
    window.addEventListener('resize', fill);
    return () => {
      observer.disconnect();
      window.removeEventListener('resize', fill);
    };
  }, [frame, height, isShown]);
}
