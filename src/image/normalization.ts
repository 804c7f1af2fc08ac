import { AtrousCamError } from '../base/errors.js';
import { oneOf } from '../base/options.js';
import type { CustomNormalization, Normalization, NormalizationName } from '../base/types.js';

/** How the bytes of a picture become numbers: (byte / unit - mean) / deviation, the channels in the network's order. */
export interface NormalizationConstants {
  /** Which channel of the picture each channel of the input takes. */
  readonly channels: readonly [number, number, number];
  /** Whether all channels of the input are the grey picture instead. */
  readonly isGray?: boolean;
  readonly unit: number;
  readonly mean: readonly [number, number, number];
  readonly deviation: readonly [number, number, number];
}

const RGB = [0, 1, 2] as const;
const BGR = [2, 1, 0] as const;
const ORDERS = ['rgb', 'bgr', 'gray'] as const;
const ZEROS = [0, 0, 0] as const;
const ONES = [1, 1, 1] as const;

/** Keras' `preprocess_input` with mode "caffe" and "tf", torchvision's `ToTensor` and `Normalize`, and bytes as 0..1 and 0..255. */
export const NORMALIZATIONS: Readonly<Record<NormalizationName, NormalizationConstants>> = {
  caffe: { channels: BGR, unit: 1, mean: [103.939, 116.779, 123.68], deviation: ONES },
  torch: { channels: RGB, unit: 255, mean: [0.485, 0.456, 0.406], deviation: [0.229, 0.224, 0.225] },
  tf: { channels: RGB, unit: 127.5, mean: ONES, deviation: ONES },
  unit: { channels: RGB, unit: 255, mean: ZEROS, deviation: ONES },
  raw: { channels: RGB, unit: 1, mean: ZEROS, deviation: ONES },
};

/** Names that a normalization can have. */
export const normalizationNames = /* @__PURE__ */ Object.keys(NORMALIZATIONS) as NormalizationName[];

/** The constants of a normalization. Throws BAD_ARGUMENT for one that there is not. */
export function constantsOf(normalization: Normalization): NormalizationConstants {
  if (typeof normalization === 'string')
    return NORMALIZATIONS[oneOf('normalization', normalization, normalizationNames)];
  const { mean = [0], std = [1], order = 'rgb' } = normalization;
  return {
    channels: oneOf('order', order, ORDERS) === 'bgr' ? BGR : RGB,
    isGray: order === 'gray',
    unit: 1,
    mean: three('mean', mean),
    deviation: three('std', std),
  };
}

/**
 * A normalization whose numbers are those of another one, but for those that are given.
 *
 * @param base by default no change: the bytes 0..255 in the order RGB
 */
export function changedNormalization(base: Normalization = 'raw', changes: CustomNormalization): CustomNormalization {
  const { channels, isGray, unit, mean, deviation } = constantsOf(base);
  const bytes = (values: readonly number[]) => values.map((value) => value * unit);
  const order = isGray ? 'gray' : channels[0] === 2 ? 'bgr' : 'rgb';
  return { mean: bytes(mean), std: bytes(deviation), order, ...changes };
}

function three(name: 'mean' | 'std', values: readonly number[]): [number, number, number] {
  const right = Array.isArray(values) && [1, 3].includes(values.length) && values.every(Number.isFinite);
  if (!right || (name === 'std' && values.includes(0)))
    throw new AtrousCamError(
      'BAD_ARGUMENT',
      `normalization.${name}: expected one or three numbers in units of 0..255${name === 'std' ? ', none of them 0' : ''}, got ${values}`,
    );
  return [0, 1, 2].map((channel) => values[channel % values.length]) as [number, number, number];
}
