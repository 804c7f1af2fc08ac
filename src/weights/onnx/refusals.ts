import type { Call } from './call.js';

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

/** Why the operator of a node is refused. */
export function whyUnknown({ node: { operator, domain }, to }: Call): string {
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
