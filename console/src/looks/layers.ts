// Which layers can lie over a picture, and what is said of them.
import { sentenceOf } from '../api/errors.ts';

export type Layer = 'picture' | 'heat' | 'predicted' | 'labelled';

export const kLayerNames: Record<Layer, string> = { picture: 'Picture', heat: 'Heat map', predicted: "Model's mask", labelled: 'Labelled mask' };

/** The layers of a picture. `canLook` says whether the model may be asked for its heat map and its mask. */
export function layersOf({ maskRef, predictedMaskRef }: { maskRef?: string; predictedMaskRef?: string }, canLook: boolean): Layer[] {
  return ['picture', ...(canLook ? (['heat'] as const) : []), ...(canLook || predictedMaskRef ? (['predicted'] as const) : []), ...(maskRef ? (['labelled'] as const) : [])];
}

/** The layer after one, in a circle; the second one if the picture lacks that one. */
export function nextLayer(layers: readonly Layer[], layer: Layer): Layer {
  const at = Math.max(0, layers.indexOf(layer));
  return layers[(at + 1) % layers.length]!;
}

/** How far the model is with looking at a picture, as its query tells. */
interface LookState {
  error: unknown;
  isPending: boolean;
  data?: { mask?: unknown };
}

/** What is said of the heat map, or of the mask that the model draws when it is asked. `note` is what else people must know about the pictures. */
export function sentenceOfLayer(layer: 'heat' | 'predicted', { error, isPending, data }: LookState, note?: string): string | undefined {
  if (error) return sentenceOf(error);
  if (layer === 'heat') {
    if (isPending) return 'The model is looking at the picture. If it is not in service, the server loads it first.';
    return ['Yellow is where the masks of the model begin, red is far above.', ...(note ? [note] : [])].join(' ');
  }
  if (isPending) return 'The model is looking at the picture.';
  return data?.mask ? note : 'The model marks nothing here, or it draws no masks.';
}
