import { activationOperators } from './activations.js';
import type { Call } from './call.js';
import { elementwiseOperators } from './elementwise.js';
import { foldingOperators } from './folding.js';
import { linearOperators } from './linear.js';
import { normalizationOperators } from './normalization.js';
import { reductionOperators } from './reductions.js';
import { shapeOperators } from './shapes.js';
import { sliceOperators } from './slices.js';
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
    ...normalizationOperators,
    ...reductionOperators,
    ...shapeOperators,
    ...sliceOperators,
  }),
);
const folding = new Map(Object.entries(foldingOperators));

/** Why some operators are refused that people may have, and what to do. */
const reasons: readonly [RegExp, string][] = [
  [
    /^(Conv|MaxUnpool|Deform)?(Transpose|Resize|Upsample|MaxUnpool|DeformConv)$/,
    'enlarges maps, which no classifier that is understood does; export the classifier alone',
  ],
  [
    /^(Quantize|Dequantize|DynamicQuantize|QLinear|QGemm|.*Integer$)/,
    'is of a quantised network; export the network before it is quantised',
  ],
  [/^(If|Loop|Scan)$/, 'is control flow; export with fixed sizes, or simplify the model (onnxsim)'],
  [
    /^(LRN|LpNormalization|MeanVarianceNormalization|InstanceNormalization|GroupNormalization)$/,
    'normalizes over rows and columns or neighbouring channels, which is not understood; there is no way around it',
  ],
  [
    /^(LSTM|GRU|RNN|Attention|MultiHeadAttention|Einsum)$/,
    'is of a recurrent network or a transformer, which have no maps of the kind that is explained',
  ],
];

/** What sorts out, names or rounds a vector of classes: the network's answer is what comes in. */
export const isBehindClasses = (operator: string): boolean =>
  /^(ArgMax|ArgMin|TopK|ZipMap|ArrayFeatureExtractor|LabelEncoder|Normalizer|Hardmax|NonMaxSuppression)$/.test(
    operator,
  );

/** The value of each output of a node, all attributes of which are known. Throws UNSUPPORTED and BAD_WEIGHTS with the node's name. */
export async function translate(call: Call): Promise<Value[]> {
  const { node, inputs } = call;
  const isFolded = inputs.length > 0 && inputs.every((value) => value === undefined || value.kind === 'constant');
  const known = (isFolded && folding.get(node.operator)) || operators.get(node.operator);
  if (!known || node.domain !== '') throw call.refuse(unknown(call));
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

function unknown({ node: { operator, domain }, to }: Call): string {
  if (domain !== '' && to.functions.has(operator))
    return 'is a function that the file defines itself, which is not understood; export the model with inlined functions';
  if (domain !== '')
    return `the operators of ${JSON.stringify(domain.slice(0, 60))} are not understood; save the model before a runtime optimises it`;
  const [, reason] = reasons.find(([pattern]) => pattern.test(operator)) ?? [];
  return (
    reason ??
    'this operator is not understood; export the classifier without it, or as plain convolutions and dense layers'
  );
}
