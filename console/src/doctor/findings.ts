// What the check of a project's datasets may find: what it means, and what can be done about it.
import type { DatasetFinding } from '../api/generated.ts';
import { kAnomaly, kNormal, kUnlabelled, type Label } from '../gallery/rows.ts';
import { kNoMask, type Change, type DatasetType } from '../gallery/saving.ts';

export type FindingKind = NonNullable<DatasetFinding['Kind']>;

/** A picture of one of the two datasets; both may hold the same one. */
export interface Picture {
  type: DatasetType;
  sourceRef: string;
}
export const keyOf = ({ type, sourceRef }: Picture) => `${type} ${sourceRef}`;

/**
 * `unlabel`, `flip` and `removeMask` change the picture of the finding, `keepThis` and `keepOther` take the label off one of
 * two, and `unlabelBoth` off both.
 */
export type Remedy = 'unlabel' | 'flip' | 'removeMask' | 'keepThis' | 'keepOther' | 'unlabelBoth';

interface KindText {
  title: string;
  meaning: string;
  remedies: readonly Remedy[];
  /** The remedies that may be applied to all findings of the kind at once. */
  forAll: readonly Remedy[];
  hasMask?: true;
}

const kCopies = { remedies: ['keepOther', 'keepThis'], forAll: ['keepOther'] } as const;
const kMasks = { remedies: ['removeMask', 'unlabel'], forAll: ['removeMask', 'unlabel'], hasMask: true } as const;
const kPictures = { remedies: ['unlabel'], forAll: ['unlabel'] } as const;

export const kKinds: Record<FindingKind, KindText> = {
  MISSING: { title: 'Pictures that are missing', meaning: 'A training skips them. Put them back into their bucket, or ask whoever administers the server for the right to read them.', remedies: [], forAll: [] },
  UNREADABLE: { title: 'Pictures that cannot be read', meaning: 'A training skips them. Their files are damaged, no PNG or JPEG, or too small or too large.', ...kPictures },
  OTHER_SIZE: { title: 'Pictures of another size', meaning: 'A training takes pictures of one size only, and fails if there are others.', ...kPictures },
  UNREADABLE_MASK: { title: 'Masks that cannot be read', meaning: 'A training fails on them. A mask is a PNG.', ...kMasks },
  OTHER_MASK_SIZE: { title: 'Masks of another size than their picture', meaning: 'A training fails on them: each pixel of a mask belongs to the same pixel of its picture.', ...kMasks },
  UNKNOWN_MASK_COLOR: { title: 'Masks with unknown colours', meaning: 'A training fails on them: it cannot know which anomaly label such a colour stands for.', ...kMasks },
  EMPTY_MASK: { title: 'Masks that mark nothing', meaning: 'A training fails on them. An anomalous picture needs a mask that marks its anomaly, or none at all.', ...kMasks },
  FULL_MASK: { title: 'Masks that mark everything', meaning: 'They do not say where the anomaly is, and teach the model that any place looks so.', ...kMasks },
  CONFLICTING_DUPLICATE: {
    title: 'Copies with different labels',
    meaning: 'The same picture is labelled normal once and as an anomaly once. One of the labels is wrong.',
    remedies: ['keepOther', 'keepThis', 'unlabelBoth'],
    forAll: ['unlabelBoth'],
  },
  TRAIN_TEST_DUPLICATE: { title: 'Copies in training and test', meaning: 'A test on pictures that the model has learned from makes the model look better than it is.', ...kCopies },
  EXACT_DUPLICATE: { title: 'Exact copies', meaning: 'Their pixels are the same. They teach nothing new, and count as if there were more pictures.', ...kCopies },
  NEAR_DUPLICATE: { title: 'Near copies', meaning: 'Nearly the same picture, such as the same shot saved twice, or the same part taken twice. They teach little.', ...kCopies },
  CONTRADICTED_LABEL: {
    title: 'Labels that other pictures contradict',
    meaning: 'They look more like the pictures of the other label. This is a hint and no proof: a small anomaly looks like a good part. Look before you change anything.',
    remedies: ['flip', 'unlabel'],
    forAll: ['unlabel'],
  },
  BRIGHTNESS_OUTLIER: { title: 'Too bright or too dark', meaning: 'The light was another one than in the other good pictures. A model learns from them that such light is normal.', ...kPictures },
  FOCUS_OUTLIER: { title: 'Out of focus', meaning: 'Their edges are far softer, or far sharper, than those of the other good pictures. Small anomalies cannot be seen in soft ones.', ...kPictures },
  FRAMING_OUTLIER: { title: 'Other framing', meaning: 'They show something else than the other good pictures, or the part lies elsewhere.', ...kPictures },
  TOO_FEW: { title: 'Too few pictures', meaning: 'A training needs more pictures, or more labels, before it can begin.', remedies: [], forAll: [] },
  IMBALANCE: { title: 'Out of balance', meaning: 'There are far more pictures of one label than of the other.', remedies: [], forAll: [] },
};

export const kRemedies: Record<Remedy, { text: string; forAll: string }> = {
  unlabel: { text: 'Take the label off', forAll: 'Take the label off all' },
  flip: { text: 'Change the label', forAll: 'Change all labels' },
  removeMask: { text: 'Remove the mask', forAll: 'Remove all masks' },
  keepOther: { text: 'Keep this one', forAll: 'Take the label off all copies' },
  keepThis: { text: 'Keep this one', forAll: 'Take the label off all originals' },
  unlabelBoth: { text: 'Take the label off both', forAll: 'Take the label off all' },
};

export const pictureOf = (finding: DatasetFinding): Picture | undefined =>
  finding.SourceRef === undefined ? undefined : { type: finding.DatasetType as DatasetType, sourceRef: finding.SourceRef };
export const relatedOf = (finding: DatasetFinding): Picture | undefined =>
  finding.RelatedSourceRef === undefined ? undefined : { type: finding.RelatedDatasetType as DatasetType, sourceRef: finding.RelatedSourceRef };

/** The picture that the finding is a copy of, if it is about copies. */
export const isAboutCopies = (finding: DatasetFinding) => kKinds[finding.Kind!].remedies.includes('keepOther');

export interface PictureChange {
  picture: Picture;
  change: Change;
}

/** What a remedy changes. `labelOf` tells the label that a picture has now. */
export function changesOf(remedy: Remedy, finding: DatasetFinding, labelOf: (picture: Picture) => Label | undefined): PictureChange[] {
  const picture = pictureOf(finding);
  const related = relatedOf(finding);
  const unlabel = (one: Picture | undefined): PictureChange[] => (one ? [{ picture: one, change: kUnlabelled }] : []);
  switch (remedy) {
    case 'unlabel':
    case 'keepOther':
      return unlabel(picture);
    case 'keepThis':
      return unlabel(related);
    case 'unlabelBoth':
      return [...unlabel(picture), ...unlabel(related)];
    case 'removeMask':
      return picture ? [{ picture, change: kNoMask }] : [];
    case 'flip':
      return picture ? [{ picture, change: labelOf(picture) === kNormal ? kAnomaly : kNormal }] : [];
  }
}

/** Whether nothing is left to do: the picture, or one of the two that are alike, is not used in a training any more. */
export function isSettled(finding: DatasetFinding, labelOf: (picture: Picture) => Label | undefined): boolean {
  const isUnused = (one: Picture | undefined) => one !== undefined && !labelOf(one);
  return isUnused(pictureOf(finding)) || (isAboutCopies(finding) && isUnused(relatedOf(finding)));
}

export const sentenceOfChange = (change: Change) =>
  change === kNoMask ? 'The mask will be removed' : change === kUnlabelled ? 'The label will be taken off' : change === kNormal ? 'Will be labelled normal' : 'Will be labelled as an anomaly';
