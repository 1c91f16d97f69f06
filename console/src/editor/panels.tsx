// The controls beside the picture: the anomaly labels, and how the picture is shown.
import { memo, useState } from 'react';
import Box from '@cloudscape-design/components/box';
import Button from '@cloudscape-design/components/button';
import Container from '@cloudscape-design/components/container';
import FormField from '@cloudscape-design/components/form-field';
import Header from '@cloudscape-design/components/header';
import Input from '@cloudscape-design/components/input';
import SegmentedControl from '@cloudscape-design/components/segmented-control';
import Slider from '@cloudscape-design/components/slider';
import SpaceBetween from '@cloudscape-design/components/space-between';
import Toggle from '@cloudscape-design/components/toggle';
import { problemOfName, type Label } from '../labels/colours.ts';
import type { Editor } from './editor.ts';
import { kNoFilters, type Filters } from './filters.ts';

// The panels are drawn anew only when what they show changes, so that neither zooming nor a moving threshold waits for them.

export interface LabelPanelProps {
  editor: Editor;
  labels: readonly Label[];
  /** The number of the chosen label, from 1 on. */
  chosen: number;
  /** Adds a label with this name. Absent for people who may not change anything. */
  onAdd?: (name: string) => void;
}

/** The original's "Anomaly labels": the chosen one is drawn with. */
export const LabelPanel = memo(function LabelPanel({ editor, labels, chosen, onAdd }: LabelPanelProps) {
  const [name, setName] = useState('');
  const [problem, setProblem] = useState('');
  const add = () => {
    const found = problemOfName(name.trim(), labels);
    setProblem(found);
    if (found) return;
    onAdd?.(name.trim());
    setName('');
  };
  return (
    <Container header={<Header variant="h3" headingTagOverride="h2">Anomaly labels</Header>}>
      <SpaceBetween size="s">
        {labels.length === 0 && <Box color="text-body-secondary">A label names a kind of defect, such as scratch. Add one to draw with.</Box>}
        <div role="radiogroup" aria-label="Anomaly label to draw" className="label-choices">
          {labels.map(({ name, colour }, i) => (
            <button key={name} type="button" role="radio" aria-checked={chosen === i + 1} className="label-choice" onClick={() => editor.set({ label: i + 1 })}>
              <span className="label-swatch" style={{ background: colour }} />
              <span className="label-name">{name}</span>
              {i < 9 && <kbd>{i + 1}</kbd>}
            </button>
          ))}
        </div>
        {onAdd && (
          <form
            onSubmit={(event) => {
              event.preventDefault();
              add();
            }}
          >
            <FormField label="Add an anomaly label" errorText={problem}>
              <div className="label-form">
                <Input value={name} onChange={({ detail }) => setName(detail.value)} placeholder="scratch" />
                <Button formAction="submit">Add</Button>
              </div>
            </FormField>
          </form>
        )}
      </SpaceBetween>
    </Container>
  );
});

export interface ViewPanelProps {
  editor: Editor;
  filters: Filters;
  opacity: number;
}

/** How mask and picture are shown; nothing of it is saved. */
export const ViewPanel = memo(function ViewPanel({ editor, filters, opacity }: ViewPanelProps) {
  const change = (part: Partial<Filters>) => editor.set({ filters: { ...filters, ...part } });
  const isPlain = (Object.keys(kNoFilters) as (keyof Filters)[]).every((key) => filters[key] === kNoFilters[key]);
  return (
    <Container
      header={
        <Header variant="h3" headingTagOverride="h2" actions={<Button variant="inline-link" disabled={isPlain} onClick={() => editor.set({ filters: kNoFilters })}>Reset</Button>}>
          View
        </Header>
      }
    >
      <SpaceBetween size="s">
        <FormField label="Opacity of the mask">
          <Slider min={0} max={100} value={Math.round(100 * opacity)} valueFormatter={(v) => `${v} %`} onChange={({ detail }) => editor.set({ opacity: detail.value / 100 })} />
        </FormField>
        <Toggle checked={filters.light} onChange={({ detail }) => change({ light: detail.checked })} description="Even light, as the model sees the picture.">
          The model’s light
        </Toggle>
        <FormField label="Brightness">
          <Slider min={-100} max={100} value={Math.round(100 * filters.brightness)} onChange={({ detail }) => change({ brightness: detail.value / 100 })} />
        </FormField>
        <FormField label="Contrast">
          <Slider min={-100} max={100} value={Math.round(100 * filters.contrast)} onChange={({ detail }) => change({ contrast: detail.value / 100 })} />
        </FormField>
        <FormField label="Gamma">
          <Slider
            min={-20}
            max={20}
            value={Math.round((20 * Math.log(filters.gamma)) / Math.log(5))}
            valueFormatter={(v) => (5 ** (v / 20)).toFixed(2)}
            onChange={({ detail }) => change({ gamma: 5 ** (detail.value / 20) })}
          />
        </FormField>
        <FormField label="Channel">
          <SegmentedControl
            selectedId={filters.channel}
            onChange={({ detail }) => change({ channel: detail.selectedId as Filters['channel'] })}
            options={[
              { id: 'all', text: 'All' },
              { id: 'red', text: 'R' },
              { id: 'green', text: 'G' },
              { id: 'blue', text: 'B' },
            ]}
          />
        </FormField>
        <Box color="text-body-secondary" fontSize="body-s">
          The view never changes the picture’s file.
        </Box>
      </SpaceBetween>
    </Container>
  );
});
