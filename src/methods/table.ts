import type { RawMap } from '../cam.js';
import type { ConvLayer } from '../topology.js';
import type { Combine, Heads, Mode } from '../types.js';
import { ablationCost, ablationWeights } from './ablation-cam.js';
import { CAMS, type Cam, withWeights } from './cams.js';
import type { Cost, Scope } from './cost.js';
import type { Field } from './field.js';
import {
  guidedBackprop,
  guidedGradCam,
  integratedGradients,
  MIDPOINTS,
  NOISY_INPUTS,
  saliency,
  smoothgrad,
} from './input-gradients.js';
import { occlusion, WINDOWS } from './occlusion.js';
import { camMaps } from './raw.js';
import { scoreCamWeights } from './score-cam.js';
import { AT_INPUT, type LocatedMap, type Work } from './work.js';

/** A method as data. */
export interface Method {
  /** Whose maps are its result: layers', or that of the input. */
  readonly at: 'layer' | 'input';
  /** Whether it looks at activations, so that layers can be named and `eigenSmooth` makes sense. */
  readonly layers: boolean;
  /** Whose scores it can use in `atrous`, the default first: at the last layer, at layers before it, which the input is one of. */
  readonly heads: { readonly last: readonly Heads[]; readonly inner: readonly Heads[] };
  /** The layers it explains by default: the last convolutions of so many blocks. */
  readonly blocks: number;
  readonly combine: Combine;
  readonly cost: (scope: Scope) => Cost;
  readonly run: (work: Work) => Promise<LocatedMap[]>;
}

const ALL: readonly Heads[] = ['each', 'mean', 'one'];
const SHARED: readonly Heads[] = ['mean', 'one'];
/** Methods that compare scores: that of the network itself costs a pooled pass each. */
const COMPARED: readonly Heads[] = ['one', 'mean'];

/** What it takes to get activations, and the network's logits, without a gradient. */
const activationCost = (mode: Mode): Cost => (mode === 'atrous' ? { forward: 1, activations: 1 } : { forward: 1 });

const LAYER = { at: 'layer', layers: true, blocks: 1, combine: 'mean', heads: { last: ALL, inner: SHARED } } as const;
const INPUT = {
  at: 'input',
  layers: false,
  blocks: 1,
  combine: 'mean',
  heads: { last: SHARED, inner: SHARED },
} as const;

/** A class activation map of each layer, from `weigh`, which may take forward passes, or as it is. */
const cam = (
  { gradient }: Pick<Cam, 'gradient'>,
  weigh: (work: Work, field: Field, layer: ConvLayer) => Promise<Cam>,
  parts: Pick<Method, 'heads' | 'cost'>,
): Method => ({
  ...LAYER,
  ...parts,
  run: (work) => camMaps(work, gradient, (field, layer) => weigh(work, field, layer)),
});

const onePass = (method: Cam): Method =>
  cam(method, async () => method, {
    heads: LAYER.heads,
    cost: ({ mode }) => (method.gradient ? { gradient: 1 } : activationCost(mode)),
  });

const atInput = (run: (work: Work) => Promise<RawMap>, cost: Cost, heads = SHARED): Method => ({
  ...INPUT,
  heads: { last: heads, inner: heads },
  cost: () => cost,
  run: async (work) => [{ raw: await run(work), place: AT_INPUT }],
});

/** The methods by the names that users give them. */
export const METHODS = {
  gradcam: { ...onePass(CAMS.gradcam), heads: { last: ['one', 'each', 'mean'], inner: SHARED } },
  'gradcam++': onePass(CAMS['gradcam++']),
  xgradcam: onePass(CAMS.xgradcam),
  layercam: onePass(CAMS.layercam),
  hirescam: onePass(CAMS.hirescam),
  elementwise: onePass(CAMS.elementwise),
  eigencam: onePass(CAMS.eigencam),
  eigengradcam: onePass(CAMS.eigengradcam),
  scorecam: cam(
    { gradient: false },
    async (work, field, layer) => withWeights(await scoreCamWeights(work, field, layer)),
    {
      heads: { last: COMPARED, inner: COMPARED },
      cost: ({ mode, layers }) => {
        const passes = activationCost(mode);
        return { ...passes, forward: passes.forward! + layers.reduce((sum, { cout }) => sum + cout, 0) };
      },
    },
  ),
  ablationcam: cam(
    { gradient: false },
    async (work, field, layer) => withWeights(await ablationWeights(work, field, layer)),
    {
      heads: { last: ALL, inner: ['one'] },
      cost: ablationCost,
    },
  ),
  refinecam: { ...onePass(CAMS['gradcam++']), blocks: 3, combine: 'product' },
  'guided-backprop': atInput(guidedBackprop, { gradient: 1 }),
  'guided-gradcam': {
    ...atInput(guidedGradCam, { gradient: 2 }),
    layers: true,
  },
  saliency: atInput(saliency, { gradient: 1 }),
  smoothgrad: atInput(smoothgrad, { gradient: NOISY_INPUTS, forward: 1 }),
  'integrated-gradients': atInput(integratedGradients, { gradient: MIDPOINTS, forward: 1 }),
  occlusion: atInput(occlusion, { forward: WINDOWS + 1 }, COMPARED),
} as const satisfies Record<string, Method>;

export type MethodName = keyof typeof METHODS;

export const methodNames = /* @__PURE__ */ Object.keys(METHODS) as MethodName[];
