// The mask editor for one picture of a dataset, and the way to the next one.
import { useCallback, useEffect, useMemo, useRef, useState } from 'react';
import { useQueryClient } from '@tanstack/react-query';
import Alert from '@cloudscape-design/components/alert';
import Box from '@cloudscape-design/components/box';
import Button from '@cloudscape-design/components/button';
import Container from '@cloudscape-design/components/container';
import Header from '@cloudscape-design/components/header';
import SegmentedControl from '@cloudscape-design/components/segmented-control';
import SpaceBetween from '@cloudscape-design/components/space-between';
import Spinner from '@cloudscape-design/components/spinner';
import { navigate } from 'wouter/use-hash-location';
import { useHistoryState } from 'wouter/use-browser-location';
import { sentenceOf } from '../api/errors.ts';
import { keys } from '../api/queries.ts';
import { count } from '../app/format.ts';
import { useMessages } from '../app/messages.tsx';
import { href, paths } from '../app/paths.ts';
import { askSuggestion } from '../editor/ask_suggestion.ts';
import { DraftKeeper, draftKey, removeOldDrafts } from '../editor/drafts.ts';
import { kSettings, type Editor, type EditorSettings } from '../editor/editor.ts';
import { MaskEditor, useEditorState } from '../editor/mask_editor.tsx';
import { missingLabels, openPicture, readMaskOf, type OpenedPicture, type Threads } from '../editor/opened_picture.ts';
import { LabelPanel, ViewPanel } from '../editor/panels.tsx';
import { PictureThread } from '../editor/picture_thread.ts';
import { packMask, renumber, saveDrawing } from '../editor/saving.ts';
import { joinLabels, type Label } from '../labels/colours.ts';
import type { Entry, EntryClass } from '../labels/lines.ts';
import { findDatasetEntry, usePictures, useProjectLabels, type DatasetType } from '../labels/project_labels.ts';
import { useSession } from '../session/session.tsx';

const kNoRight = 'Your user may look at masks but not save them. Ask whoever administers the server for the right to change datasets.';
const clock = new Intl.DateTimeFormat('en', { hour: '2-digit', minute: '2-digit', hour12: false });
const dayAndClock = new Intl.DateTimeFormat('en', { day: 'numeric', month: 'short', hour: '2-digit', minute: '2-digit', hour12: false });
const timeOf = (at: number) => (new Date(at).toDateString() === new Date().toDateString() ? clock : dayAndClock).format(at);
const nameOf = (sourceRef: string) => sourceRef.slice(sourceRef.lastIndexOf('/') + 1);

interface DrawPageProps {
  project: string;
  type: DatasetType;
  sourceRef: string;
}

export default function DrawPage({ project, type, sourceRef }: DrawPageProps) {
  const { labels, add, error } = useProjectLabels(project);
  const [threads, setThreads] = useState<Threads>();
  useEffect(() => {
    const made = { picture: new PictureThread(), masks: new PictureThread() };
    setThreads(made);
    void removeOldDrafts().catch(() => {});
    return () => {
      made.picture.close();
      // What is packed at this moment is a draft or a mask that is being saved.
      made.masks.closeWhenDone();
    };
  }, []);
  if (error && !labels)
    return (
      <Alert type="error" header="The dataset cannot be read" action={<Button href={href(paths.dataset(project, type))}>Back to the dataset</Button>}>
        {sentenceOf(error)}
      </Alert>
    );
  if (!labels || !threads) return <Spinner size="large" />;
  return <Drawing {...{ project, type, sourceRef, labels, threads }} onAddLabel={add} />;
}

interface DrawingProps extends DrawPageProps {
  labels: Label[];
  threads: Threads;
  onAddLabel(name: string): void;
}

type Stage = { kind: 'loading' } | { kind: 'failed'; reason: string } | { kind: 'open'; picture: OpenedPicture };

function Drawing({ project, type, sourceRef, labels: projectLabels, threads, onAddLabel }: DrawingProps) {
  const { client, s3, may, arn, region } = useSession();
  const messages = useMessages();
  const queries = useQueryClient();
  const pictures = usePictures(project, type);
  const [extra, setExtra] = useState<readonly Label[]>([]);
  const labels = useMemo(() => joinLabels([projectLabels, extra]), [projectLabels, extra]);
  const [stage, setStage] = useState<Stage>({ kind: 'loading' });
  const [attempt, setAttempt] = useState(0);
  const [editor, setEditor] = useState<Editor | null>(null);
  const state = useEditorState(editor);
  const [chosen, setChosen] = useState<EntryClass | null>(null);
  const [isSaving, setIsSaving] = useState(false);
  const [isSuggesting, setIsSuggesting] = useState(false);
  const [hasDraftNote, setHasDraftNote] = useState(false);
  const wanted = useHistoryState<{ label?: number } | null>()?.label;
  const settings = useRef<EditorSettings>({ ...kSettings, label: wanted ?? kSettings.label });
  const keeper = useRef<DraftKeeper | null>(null);
  /** The mask that was saved last: its line may still be on its way. */
  const last = useRef<{ sourceRef: string; width: number; height: number; data: Uint8Array<ArrayBuffer>; labels: Label[] } | null>(null);
  const latest = useRef({ labels, chosen });
  latest.current = { labels, chosen };

  const canSave = may('lookoutvision:UpdateDatasetEntries') && may('s3:PutObject');
  const scope = [arn, region, project, type].join(' ');
  const order = pictures.data ?? [];
  const place = order.findIndex((one) => one.sourceRef === sourceRef);
  const opened = stage.kind === 'open' && stage.picture.sourceRef === sourceRef ? stage.picture : null;

  useEffect(() => {
    const ending = new AbortController();
    setStage({ kind: 'loading' });
    void (async () => {
      try {
        const picture = await openPicture(client, s3, { project, type, sourceRef }, latest.current.labels, draftKey(scope, sourceRef), threads, ending.signal);
        const missing = missingLabels(picture.entry.mask?.labels ?? [], latest.current.labels);
        if (missing.length > 0) {
          // The list of the project is older than this mask: open it once more with all labels.
          setExtra((before) => [...before, ...missing]);
          setAttempt((n) => n + 1);
          return;
        }
        setChosen(picture.chosen);
        setHasDraftNote(picture.draftAt !== null);
        setStage({ kind: 'open', picture });
      } catch (error) {
        if (!ending.signal.aborted) setStage({ kind: 'failed', reason: sentenceOf(error) });
      }
    })();
    return () => ending.abort();
  }, [client, s3, project, type, sourceRef, scope, threads, attempt]);

  const choose = useCallback((next: EntryClass | null) => {
    setChosen(next);
    latest.current.chosen = next;
    keeper.current?.choose(next);
  }, []);

  const onEditor = useCallback(
    (next: Editor | null) => {
      void keeper.current?.close();
      keeper.current = null;
      setEditor((before) => {
        if (before) settings.current = before.settings;
        return next;
      });
      if (!next) return;
      const made = new DraftKeeper(draftKey(scope, sourceRef), next, threads.masks, () => latest.current.labels, latest.current.chosen);
      made.onFailure = (error) => messages.show({ id: 'draft', type: 'warning', header: 'The browser keeps no draft', content: `${sentenceOf(error)} Save the mask before you leave the page.` });
      keeper.current = made;
      const revision = next.state.revision;
      // Who draws says that there is an anomaly.
      const stop = next.subscribe(() => {
        if (next.state.revision === revision) return;
        stop();
        choose('anomaly');
      });
    },
    [scope, sourceRef, threads, messages, choose],
  );

  const goTo = (step: number) => {
    const other = order[place + step];
    if (place < 0 || !other) {
      editor?.set({ note: step > 0 ? 'This is the last picture.' : 'This is the first picture.' });
      return false;
    }
    navigate(paths.editor(project, type, other.sourceRef), { replace: true, state: null });
    return true;
  };
  const isChanged = opened !== null && state !== null && (state.revision !== opened.plane.savedRevision || chosen !== opened.entry.class);
  const leave = () => {
    if (isChanged) messages.show({ id: 'draft', type: 'info', content: `What you changed at ${nameOf(sourceRef)} is not saved. This browser keeps it as a draft.` });
    navigate(paths.dataset(project, type));
  };

  /** Packs the mask and sends it. With `inBackground`, it resolves as soon as the mask is packed. A suggestion that was not accepted is not part of it. */
  const save = async (inBackground: boolean): Promise<boolean> => {
    const drafts = keeper.current;
    if (!opened || !editor || !drafts || isSaving) return false;
    if (!canSave) {
      messages.show({ id: 'right', type: 'warning', content: kNoRight });
      return false;
    }
    await editor.closeOutline();
    if (editor.state.revision === opened.plane.savedRevision && latest.current.chosen === opened.entry.class) return true;
    const revision = editor.state.revision;
    const at = drafts.changedAt;
    const { entry, plane } = opened;
    const { labels, chosen } = latest.current;
    const what = `The mask of ${nameOf(sourceRef)} was not saved`;
    setIsSaving(true);
    try {
      const packed = await packMask(plane, labels, threads.masks);
      last.current = { sourceRef, width: plane.width, height: plane.height, data: chosen === 'anomaly' ? plane.data.slice() : new Uint8Array(plane.data.length), labels };
      const sending = saveDrawing(client, s3, project, type, entry, chosen, packed).then(async (after) => {
        plane.savedRevision = revision;
        await drafts.saved(at);
        setStage((now) => (now.kind === 'open' && now.picture.plane === plane ? { kind: 'open', picture: { ...now.picture, entry: after } } : now));
        void queries.invalidateQueries({ queryKey: keys.dataset(project, type), exact: true });
      });
      if (inBackground)
        sending.catch((error: unknown) => messages.show({ id: `mask ${sourceRef}`, type: 'error', header: what, content: `${sentenceOf(error)} This browser keeps it as a draft: open the picture again to save it.`, action: <Button href={href(paths.editor(project, type, sourceRef))}>Open the picture</Button> }));
      else await sending;
      return true;
    } catch (error) {
      messages.fail(what, error);
      return false;
    } finally {
      setIsSaving(false);
    }
  };

  const actions = {
    save: () => void save(false),
    saveAndNext: () => void save(place >= 0 && place + 1 < order.length).then((isSaved) => isSaved && goTo(1)),
    previous: () => void goTo(-1),
    next: () => void goTo(1),
    leave,
    repeat: () => void repeat(),
    suggest: () => void suggest(),
  };

  const repeat = async () => {
    const before = order[place - 1];
    if (!opened || !editor || !before) return editor?.set({ note: 'There is no previous picture.' });
    try {
      let mask = last.current?.sourceRef === before.sourceRef ? { ...last.current, data: renumber(last.current.data, last.current.labels, labels) } : null;
      if (!mask) {
        const entry = await findDatasetEntry(client, project, type, before.sourceRef);
        mask = entry && maskLabelsKnown(entry, labels) ? await readMaskOf(s3, entry, labels, threads.masks).then((read) => read && { ...read, sourceRef: before.sourceRef, labels }) : null;
      }
      if (!mask) return editor.set({ note: 'The previous picture has no mask.' });
      if (mask.width !== opened.plane.width || mask.height !== opened.plane.height) return editor.set({ note: 'The previous picture has another size.' });
      editor.replace(mask.data);
    } catch (error) {
      editor.set({ note: sentenceOf(error) });
    }
  };

  const suggest = async () => {
    if (!opened || !editor || isSuggesting) return;
    setIsSuggesting(true);
    try {
      editor.suggest(await askSuggestion(client, project, sourceRef, opened.plane));
    } catch (error) {
      editor.set({ note: sentenceOf(error) });
    } finally {
      setIsSuggesting(false);
    }
  };

  const discardDraft = () => {
    setHasDraftNote(false);
    if (!opened || !editor) return;
    editor.undoAll();
    choose(opened.entry.class);
    if (keeper.current) void keeper.current.saved(keeper.current.changedAt);
  };

  return (
    <div className="draw-frame">
      <Header
        variant="h1"
        description={place >= 0 ? `${count(place + 1)} of ${count(order.length)} in the ${type === 'train' ? 'training' : 'test'} dataset of ${project}` : undefined}
        actions={
          <SpaceBetween direction="horizontal" size="xs">
            <Button iconName="angle-left" ariaLabel="Previous picture" disabled={place < 1} onClick={actions.previous} />
            <Button iconName="angle-right" ariaLabel="Next picture" disabled={place < 0 || place + 1 >= order.length} onClick={actions.next} />
            <Button disabled={!opened || !canSave} disabledReason={canSave ? undefined : kNoRight} loading={isSaving} onClick={() => void save(false).then((isSaved) => isSaved && navigate(paths.dataset(project, type)))}>
              Submit and close
            </Button>
            <Button variant="primary" disabled={!opened || !canSave} disabledReason={canSave ? undefined : kNoRight} loading={isSaving} onClick={actions.saveAndNext}>
              Save and next
            </Button>
          </SpaceBetween>
        }
      >
        <span className="draw-name">{nameOf(sourceRef)}</span>
      </Header>
      {stage.kind === 'failed' && (
        <Alert
          type="error"
          header={`${nameOf(sourceRef)} cannot be opened`}
          action={
            <SpaceBetween direction="horizontal" size="xs">
              <Button onClick={() => setAttempt((n) => n + 1)}>Try again</Button>
              <Button href={href(paths.dataset(project, type))}>Back to the dataset</Button>
            </SpaceBetween>
          }
        >
          {stage.reason}
        </Alert>
      )}
      {opened && hasDraftNote && (
        <Alert
          type="info"
          action={
            <SpaceBetween direction="horizontal" size="xs">
              <Button onClick={() => setHasDraftNote(false)}>Keep</Button>
              <Button onClick={discardDraft}>Discard</Button>
            </SpaceBetween>
          }
        >
          A draft of {timeOf(opened.draftAt!)} was found and is shown. It was never saved.
        </Alert>
      )}
      {opened?.maskProblem && (
        <Alert type="warning" header="The mask that the dataset has cannot be shown">
          {opened.maskProblem} Training would fail on it, too. Draw a new one and save it.
        </Alert>
      )}
      {stage.kind !== 'failed' && !opened && (
        <Box textAlign="center" padding="xxxl">
          <Spinner size="large" />
        </Box>
      )}
      {opened && (
        <div className="draw-page">
          <MaskEditor
            plane={opened.plane}
            thread={threads.picture}
            labels={labels}
            settings={settings.current}
            name={nameOf(sourceRef)}
            actions={actions}
            isSuggesting={isSuggesting}
            onEditor={onEditor}
          />
          <div className="draw-panels">
            {editor && state && (
              <>
                <Container>
                  <SegmentedControl
                    label="Class of the picture"
                    selectedId={chosen}
                    onChange={({ detail }) => choose(detail.selectedId as EntryClass)}
                    options={[
                      { id: 'normal', text: 'Normal' },
                      { id: 'anomaly', text: 'Anomaly' },
                    ]}
                  />
                  {chosen === 'normal' && state.hasMarks && (
                    <Box color="text-status-warning" fontSize="body-s" padding={{ top: 'xs' }}>
                      A normal picture has no mask: what is drawn will not be saved.
                    </Box>
                  )}
                </Container>
                <LabelPanel editor={editor} labels={labels} chosen={state.label} onAdd={canSave ? onAddLabel : undefined} />
                <ViewPanel editor={editor} filters={state.filters} opacity={state.opacity} />
              </>
            )}
          </div>
        </div>
      )}
    </div>
  );
}

const maskLabelsKnown = (entry: Entry, labels: readonly Label[]) => missingLabels(entry.mask?.labels ?? [], labels).length === 0;
