// Which layers can lie over a picture.

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
