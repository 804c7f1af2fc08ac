import { lazy } from '../../base/lazy.js';
import { activationOperators } from './activations.js';
import type { Call } from './call.js';
import { elementwiseOperators } from './elementwise.js';
import { linearOperators } from './linear.js';
import { shapeOperators } from './shapes.js';
import type { Value } from './values.js';
import { windowOperators } from './windows.js';

/** What is known of an ONNX operator (https://onnx.ai/onnx/operators/). */
export interface Operator {
  /** All attributes that it may have; a node with another one is refused. */
  readonly attributes?: readonly string[];
  /** Most inputs. */
  readonly inputs: number;
  /** The values of its outputs, the first ones at least. */
  translate(call: Call): Value | Value[] | Promise<Value | Value[]>;
}

export type Operators = Readonly<Record<string, Operator>>;

const operators = new Map(
  Object.entries({
    ...windowOperators,
    ...linearOperators,
    ...activationOperators,
    ...elementwiseOperators,
    ...shapeOperators,
  }),
);

/** Operators that are read when the first of them comes. */
const LATER: readonly (readonly [RegExp, () => Promise<Operators>])[] = [
  [/^(Slice|Split|Gather|Concat|Pad)$/, async () => (await lazy(() => import('./slices.js'))).sliceOperators],
  [
    /^(Reduce|Global|Softmax$|LogSoftmax$)/,
    async () => (await lazy(() => import('./reductions.js'))).reductionOperators,
  ],
  [/Normalization$/, async () => (await lazy(() => import('./normalization.js'))).normalizationOperators],
];

/** Those between constants have a chunk of their own, too. */
async function operatorOf({ node: { operator }, inputs }: Call): Promise<Operator | undefined> {
  const isFolded = inputs.length > 0 && inputs.every((value) => value === undefined || value.kind === 'constant');
  const folded = isFolded ? (await lazy(() => import('./folding.js'))).foldingOperators : {};
  if (Object.hasOwn(folded, operator)) return folded[operator];
  const later = await LATER.find(([name]) => name.test(operator))?.[1]();
  if (!later) return operators.get(operator);
  return Object.hasOwn(later, operator) ? later[operator] : undefined;
}

/** What sorts out, names or rounds a vector of classes: the network's answer is what comes in. */
export const isBehindClasses = (operator: string): boolean =>
  /^(ArgMax|ArgMin|TopK|ZipMap|ArrayFeatureExtractor|LabelEncoder|Normalizer|Hardmax|NonMaxSuppression)$/.test(
    operator,
  );

/** The value of each output of a node, all attributes of which are known. Throws UNSUPPORTED and BAD_WEIGHTS with the node's name. */
export async function translate(call: Call): Promise<Value[]> {
  const { node, inputs } = call;
  const known = await operatorOf(call);
  if (!known || node.domain !== '') throw call.refuse((await lazy(() => import('./refusals.js'))).whyUnknown(call));
  for (const [name, value] of node.attributes) {
    if (!known.attributes?.includes(name))
      throw call.refuse(`its attribute ${JSON.stringify(name.slice(0, 60))} is not understood`);
    if (typeof value === 'object' && 'unread' in value)
      throw call.refuse(`its attribute ${JSON.stringify(name)} is not understood (${value.unread})`);
  }
  if (inputs.length > known.inputs)
    throw call.refuse(`${inputs.length} inputs, where at most ${known.inputs} are understood`);
  const values = await known.translate(call);
  return Array.isArray(values) ? values : [values];
}
