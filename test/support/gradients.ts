import type { Gradients, GradientsOptions } from '../../src/api.js';
import type { Mode } from '../../src/base/types.js';

const modes = ['pooled', 'dilated', 'atrous'] as const;
const inner = ['block3_conv3', 'block4_conv3'] as const;
const last = 'block5_conv3';

/** The two classes that the references explain, by mode; second is also the label of the loss. */
export type ReferenceClasses = Record<Mode, { top: number; second: number }>;

/** A gradient that a reference file has. */
export interface GradientCase {
  title: string;
  mode: Mode;
  rank: 'top' | 'second';
  options: GradientsOptions;
  /** Reference tensors and what they are compared with. */
  compare: { key: string; of: (result: Gradients) => ArrayLike<number> }[];
}

const scores: GradientCase[] = modes.flatMap((mode) =>
  (['top', 'second'] as const).flatMap((rank) =>
    (['logit', 'probability'] as const).map((score): GradientCase => {
      const layers = rank === 'top' && score === 'logit' ? [...inner, last] : [last];
      return {
        title: `${score} of the ${rank} class`,
        mode,
        rank,
        options: { mode, score, wrt: ['input', ...layers] },
        compare: ['input', ...layers].map((name) => ({
          key: `${mode}.${rank}.${score}.d${name}_nhwc`,
          of: (result) => part(result, name),
        })),
      };
    }),
  ),
);

const dense: GradientCase = {
  title: 'the dense score',
  mode: 'atrous',
  rank: 'top',
  options: { mode: 'atrous', heads: 'mean', wrt: ['input', ...inner, last] },
  compare: [
    ...['input', ...inner, last].map((name) => ({
      key: `atrous.top.dense.d${name}_nhwc`,
      of: (result: Gradients) => part(result, name),
    })),
    { key: 'atrous.top.dense.score', of: ({ score }) => [score] },
  ],
};

const guided = modes.map(
  (mode): GradientCase => ({
    title: 'guided backpropagation',
    mode,
    rank: 'top',
    options: { mode, guided: true, wrt: ['input'] },
    compare: [{ key: `${mode}.top.guided_backprop_nhwc`, of: ({ input }) => input!.data }],
  }),
);

const convolutions = [2, 2, 3, 3, 3].flatMap((count, block) =>
  Array.from({ length: count }, (_, i) => `block${block + 1}_conv${i + 1}`),
);
const weights = modes.map((mode): GradientCase => {
  const of = (layer: string, what: 'kernel' | 'bias') => (result: Gradients) => result.weights![layer][what].data;
  return {
    title: 'all weights, of the loss',
    mode,
    rank: 'second',
    options: { mode, score: 'loss', wrt: ['weights'] },
    compare: [
      ...[...convolutions, 'fc1', 'fc2', 'predictions'].flatMap((layer, i) => [
        {
          key: `${mode}.grad.${layer}.${i < convolutions.length ? 'kernel_hwio' : 'kernel_io'}`,
          of: of(layer, 'kernel'),
        },
        { key: `${mode}.grad.${layer}.bias`, of: of(layer, 'bias') },
      ]),
      { key: `${mode}.loss_second`, of: ({ score }) => [score] },
    ],
  };
});

/** Every gradient of a whole network, with those of its tensors that a reference file has, and how many there could be. */
export const gradientCases = (references: ReadonlyMap<string, unknown>): (GradientCase & { all: number })[] =>
  [...scores, dense, ...guided, ...weights].map((item) => ({
    ...item,
    all: item.compare.length,
    compare: item.compare.filter(({ key }) => references.has(key)),
  }));

/** A gradient with respect to the input or a convolution. */
export const part = (result: Gradients, name: string): Float32Array =>
  name === 'input' ? result.input!.data : result.layers[name].data;
