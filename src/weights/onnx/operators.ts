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
    /^(ConvTranspose|Resize|Upsample|MaxUnpool|DeformConv|GridSample)$/,
    'it enlarges or bends maps, which is not understood; use a classifier that does not',
  ],
  [
    /^(Quantize|Dequantize|DynamicQuantize|QLinear|QGemm|.*Integer$)/,
    'it is of a quantised network; export the network before it is quantised',
  ],
  [/^(If|Loop|Scan)$/, 'it is control flow; export with fixed sizes, or simplify the model first (onnxsim)'],
  [
    /^(LRN|LpNormalization|MeanVarianceNormalization|InstanceNormalization|GroupNormalization)$/,
    'it normalizes over rows and columns or neighbouring channels, which is not understood; use a network with batch normalization',
  ],
  [
    /^(LSTM|GRU|RNN|Attention|MultiHeadAttention|Einsum)$/,
    'it is of a recurrent network or a transformer, which have no maps of the kind that is explained; use a convolutional network',
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
    return 'it is a function that the file defines itself, which is not understood; export the model with inlined functions';
  if (domain !== '')
    return `the operators of ${JSON.stringify(domain.slice(0, 60))} are not understood; save the model before a runtime optimises it`;
  const [, reason] = reasons.find(([pattern]) => pattern.test(operator)) ?? [];
  return (
    reason ??
    'this operator is not understood; export the classifier without it, or as plain convolutions and dense layers'
  );
}
