import type { Normalization } from '../base/types.js';

/** How the bytes of a picture become numbers: (byte / unit - mean) / deviation, the channels in the network's order. */
export interface NormalizationConstants {
  /** Which channel of the picture each channel of the input takes. */
  readonly channels: readonly [number, number, number];
  readonly unit: number;
  readonly mean: readonly [number, number, number];
  readonly deviation: readonly [number, number, number];
}

/** Keras' `preprocess_input(mode="caffe")`, and torchvision's `ToTensor` and `Normalize`. */
export const NORMALIZATIONS: Readonly<Record<Normalization, NormalizationConstants>> = {
  caffe: { channels: [2, 1, 0], unit: 1, mean: [103.939, 116.779, 123.68], deviation: [1, 1, 1] },
  torch: { channels: [0, 1, 2], unit: 255, mean: [0.485, 0.456, 0.406], deviation: [0.229, 0.224, 0.225] },
};
