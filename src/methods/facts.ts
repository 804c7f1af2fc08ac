import type { Combine, Heads, Mode } from '../base/types.js';
import { ablationCost, type Cost, channelsOf, kernelMacs, type Scope } from './cost.js';
import { fullGradGroups } from './gradient-groups.js';
import { CURVATURE_PASSES, MIDPOINTS, NOISY_INPUTS, OCCLUSION_STEPS } from './sampling.js';

/** What is known of a method without running it. How it runs is in table.ts. */
export interface MethodFacts {
  /** Whose maps are its result: layers', or that of the input. */
  readonly at: 'layer' | 'input';
  /** Whether it looks at activations, so that layers can be named. */
  readonly layers: boolean;
  /** The layers that it explains by default: the last ones of so many levels. */
  readonly levels: number;
  readonly combine: Combine;
  /** Whose scores it can use in `atrous`, the default first: at the last layer, at layers before it and the input. */
  readonly heads: { readonly last: readonly Heads[]; readonly inner: readonly Heads[] };
  readonly cost: (scope: Scope) => Cost;
  /** Whether it is Grad-CAM of another score, so that its map can refine while it is computed. */
  readonly refines?: boolean;
}

const WINDOWS = OCCLUSION_STEPS ** 2;

const ALL: readonly Heads[] = ['each', 'mean', 'one'];
/** Where phases share points there is no gradient of each phase's own head. */
const SHARED: readonly Heads[] = ['mean', 'one'];
/** Methods that compare scores of many inputs: the network's own costs a pooled pass each. */
const COMPARED: readonly Heads[] = ['one', 'mean'];

/** Methods of the network's own score alone. */
const OWN: readonly Heads[] = ['one'];

/** What it takes to get activations, and the network's logits, without a gradient. */
const activationCost = (mode: Mode): Cost => (mode === 'atrous' ? { forward: 1, activations: 1 } : { forward: 1 });

const cam: MethodFacts = {
  at: 'layer',
  layers: true,
  levels: 1,
  combine: 'mean',
  heads: { last: ALL, inner: SHARED },
  cost: () => ({ gradient: 1 }),
};

const atInput = (cost: Cost, heads = SHARED): MethodFacts => ({
  at: 'input',
  layers: false,
  levels: 1,
  combine: 'mean',
  heads: { last: heads, inner: heads },
  cost: () => cost,
});

/** The methods by the names that users give them. */
export const METHODS = {
  gradcam: { ...cam, refines: true, heads: { last: ['one', 'each', 'mean'], inner: SHARED } },
  'gradcam++': cam,
  xgradcam: cam,
  layercam: cam,
  hirescam: cam,
  elementwise: cam,
  eigencam: { ...cam, cost: ({ mode }) => activationCost(mode) },
  eigengradcam: cam,
  scorecam: {
    ...cam,
    heads: { last: COMPARED, inner: COMPARED },
    cost: ({ mode, layers, layout }) => {
      const channels = channelsOf(layout, layers);
      return { ...activationCost(mode), forward: 1 + channels };
    },
  },
  ablationcam: { ...cam, heads: { last: ALL, inner: ['one'] }, cost: ablationCost },
  refinecam: { ...cam, levels: 3, combine: 'product' },
  finercam: { ...cam, refines: true, heads: { last: ['one', 'each', 'mean'], inner: SHARED } },
  shapleycam: {
    ...cam,
    heads: { last: OWN, inner: OWN },
    cost: ({ layers }) => ({ gradient: 1 + CURVATURE_PASSES * layers.length }),
  },
  segeigencam: cam,
  kpcacam: {
    ...cam,
    heads: { last: OWN, inner: OWN },
    cost: (scope) => ({ ...activationCost(scope.mode), macs: kernelMacs(scope) }),
  },
  fem: {
    ...cam,
    heads: { last: ['one', 'each', 'mean'], inner: SHARED },
    cost: ({ mode }) => activationCost(mode),
  },
  randomcam: { ...cam, heads: { last: OWN, inner: OWN }, cost: ({ mode }) => activationCost(mode) },
  fullgrad: {
    ...atInput({}, OWN),
    cost: ({ layout, mode }) => ({ gradient: fullGradGroups(layout, mode).length }),
  },
  'guided-backprop': atInput({ gradient: 1 }),
  'guided-gradcam': { ...atInput({ gradient: 2 }), layers: true },
  saliency: atInput({ gradient: 1 }),
  smoothgrad: atInput({ gradient: NOISY_INPUTS, forward: 1 }),
  'integrated-gradients': atInput({ gradient: MIDPOINTS, forward: 1 }),
  occlusion: atInput({ forward: WINDOWS + 1 }, COMPARED),
} as const satisfies Record<string, MethodFacts>;

/** Name of a method of explaining. */
export type MethodName = keyof typeof METHODS;

export const factsOf = (name: MethodName): MethodFacts => METHODS[name];

/** The names that `method` may have. */
export const methodNames = /* @__PURE__ */ Object.keys(METHODS) as MethodName[];
