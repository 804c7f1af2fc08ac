import { describe, expect, test } from 'vitest';
import { type OnnxOptions, readOnnxGraph } from '../src/weights/onnx/graph.js';
import { bytesSource } from '../src/weights/source.js';
import {
  bytes,
  floats,
  integer,
  integers,
  type OnnxModelParts,
  type OnnxNode,
  type OnnxTensor,
  onnxModel,
} from './support/onnx-file.js';
import { expectRefused } from './support/weight-files.js';

const input = { name: 'x', shape: [1, 3, 6, 6] };
const read = (parts: OnnxModelParts, options?: OnnxOptions) =>
  readOnnxGraph(bytesSource(onnxModel({ inputs: [input], ...parts }), 'm.onnx'), options);

type Step = Omit<OnnxNode, 'output' | 'inputs'> & { inputs?: string[] };

/** Tensors that the cases use. */
const tensors: OnnxTensor[] = [
  floats('k', [2, 3, 3, 3], Array(54).fill(0.1)),
  floats('k2', [2, 2, 3, 3], Array(36).fill(0.1)),
  floats('k1d', [2, 3, 3], Array(18).fill(0.1)),
  floats('w', [3, 2], [1, 2, 3, 4, 5, 6]),
  floats('v3', [3], [1, 2, 3]),
  floats('v2', [2], [1, 2]),
  floats('columns', [6], [1, 2, 3, 4, 5, 6]),
  floats('zeros', [3], [0, 0, 0]),
  floats('negative', [3], [-1, 1, 1]),
  floats('one', [], [1]),
  floats('picture', [1, 1, 6, 6], Array(36).fill(1)),
  integers('true', [1], []),
  integers('axis1', [1]),
  integers('axis2', [2]),
  integers('axis3', [3]),
  integers('one-row', [1]),
  integers('four-sides', [0, 0, 1, 1, 0, 0, 1, 1]),
  integers('to-tokens', [1, 9, 12]),
  integers('uneven', [1, 4, 27]),
  integers('other-size', [1, 3, 7, 7]),
];

/** Steps one after the other, the first one behind the input; a step's other inputs are tensors. Behind them a mean of the map. */
function chain(steps: readonly Step[], end = true): OnnxNode[] {
  const nodes = steps.map((step, i) => ({
    name: `n${i}`,
    ...step,
    inputs: step.inputs?.[0] === '' ? step.inputs.slice(1) : [i === 0 ? 'x' : `y${i - 1}`, ...(step.inputs ?? [])],
    output: `y${i}`,
  }));
  const last = `y${steps.length - 1}`;
  return end ? [...nodes, { operator: 'GlobalAveragePool', name: 'end', inputs: [last], output: 'y' }] : nodes;
}

const attribute = (operator: string, attributes: OnnxNode['attributes'], inputs: string[] = []): Step => ({
  operator,
  attributes,
  inputs,
});

describe('a node that is not understood is named, with its operator and what to do', () => {
  test.each<[string, Step[], RegExp]>([
    ['ConvTranspose', [{ operator: 'ConvTranspose', inputs: ['k'] }], /node "n0" \(ConvTranspose\): it enlarges/],
    [
      'Resize',
      [{ operator: 'Resize' }],
      /\(Resize\): it enlarges or bends maps, which is not understood; use a classifier/,
    ],
    ['LRN', [attribute('LRN', { size: 5 })], /\(LRN\): it normalizes over/],
    [
      'InstanceNormalization',
      [{ operator: 'InstanceNormalization', inputs: ['v3', 'v3'] }],
      /\(InstanceNormalization\): it normalizes/,
    ],
    [
      'QuantizeLinear',
      [{ operator: 'QuantizeLinear', inputs: ['one'] }],
      /\(QuantizeLinear\): it is of a quantised network; export/,
    ],
    ['ConvInteger', [{ operator: 'ConvInteger', inputs: ['k'] }], /quantised/],
    ['If', [attribute('If', { then_branch: { field: 6 } })], /\(If\): it is control flow; export with fixed sizes/],
    ['LSTM', [{ operator: 'LSTM' }], /\(LSTM\): it is of a recurrent network/],
    ['an unknown operator', [{ operator: 'Frobnicate' }], /\(Frobnicate\): this operator is not understood; export/],
    [
      "a runtime's operator",
      [{ operator: 'FusedConv', domain: 'com.microsoft', inputs: ['k'] }],
      /operators of "com.microsoft" are not understood; save the model before a runtime/,
    ],
    [
      'an operator of ours in another domain',
      [{ operator: 'Relu', domain: 'a.b' }],
      /operators of "a.b" are not understood/,
    ],
    ['an unknown attribute', [attribute('Relu', { speed: 1 })], /its attribute "speed" is not understood/],
    [
      'an attribute that is a graph',
      [attribute('LeakyRelu', { alpha: { field: 6 } })],
      /its attribute "alpha" is not understood \(ONNX field 6\)/,
    ],
    ['an input too many', [{ operator: 'Relu', inputs: ['one'] }], /2 inputs, where at most 1/],
    [
      'unequal strides',
      [attribute('Conv', { strides: [2, 1] }, ['k'])],
      /\(Conv\): strides of 2 rows and 1 columns, where only equal ones/,
    ],
    [
      'unequal dilations',
      [attribute('Conv', { dilations: [2, 1] }, ['k'])],
      /dilations of 2 and 1, where only equal ones/,
    ],
    ['a one-dimensional convolution', [attribute('Conv', {}, ['k1d'])], /a convolution along 1 axes/],
    ['weights from the picture', [{ operator: 'Conv', inputs: ['x'] }], /its input 2 depends on the picture/],
    ['a one-dimensional pool', [attribute('MaxPool', { kernel_shape: [2] })], /a pool along other axes/],
    [
      'a mean that counts what is beyond the padding',
      [
        attribute('AveragePool', {
          kernel_shape: [3, 3],
          strides: [3, 3],
          pads: [1, 1, 0, 0],
          ceil_mode: 1,
          count_include_pad: 1,
        }),
      ],
      /reaches beyond the padding \(ceil_mode\), which runtimes/,
    ],
    [
      'SAME that leaves rows out',
      [attribute('MaxPool', { kernel_shape: [1, 1], strides: [3, 3], auto_pad: 'SAME_UPPER' })],
      /leaves rows or columns out \(SAME_UPPER\)/,
    ],
    [
      'batch normalization in training',
      [attribute('BatchNormalization', { training_mode: 1 }, ['v3', 'v3', 'v3', 'v3'])],
      /training mode.*export the model in evaluation mode/,
    ],
    ['dropout in training', [{ operator: 'Dropout', inputs: ['one', 'true'] }], /\(Dropout\): it is in training mode/],
    [
      'layer norm over everything',
      [attribute('LayerNormalization', { axis: 1 }, ['picture'])],
      /it normalizes over rows and columns too/,
    ],
    [
      'constants by column',
      [{ operator: 'Add', inputs: ['columns'] }],
      /\(Add\): its constants differ from point to point/,
    ],
    [
      'a constant that widens',
      [attribute('Conv', {}, ['k']), { operator: 'Mul', inputs: ['v3'] }],
      /a constant of shape \[3\] for a tensor of shape \[1,2,4,4\]/,
    ],
    [
      'the larger of two maps',
      [{ operator: 'Relu' }, { operator: 'Max', inputs: ['x'] }],
      /\(Max\): the larger or smaller of two maps \(maxout\)/,
    ],
    ['several bounds', [{ operator: 'Min', inputs: ['columns'] }], /\(Min\): its constants differ from point to point/],
    ['a quotient of maps', [{ operator: 'Div', inputs: ['x'] }], /\(Div\): it divides by what comes from the picture/],
    ['a power', [{ operator: 'Pow', inputs: ['v3'] }], /\(Pow\): expected one number as input 2, got 3/],
    ['a cube root', [{ operator: 'Sqrt' }], /\(Sqrt\): it is understood in a layer normalization alone/],
    [
      'an error function by itself',
      [{ operator: 'Erf' }],
      /node "end" \(GlobalAveragePool\): it reads the Erf of node "n0" \(Erf\)/,
    ],
    [
      'an error function in no GELU',
      [{ operator: 'Erf' }, { operator: 'Mul', inputs: ['x'] }],
      /node "n1" \(Mul\): it multiplies the Erf of node "n0"/,
    ],
    [
      'a mean over channels',
      [attribute('ReduceMean', { axes: [1] })],
      /it reads the mean over channels of node "n0" \(ReduceMean\)/,
    ],
    [
      'a sum over channels',
      [attribute('ReduceSum', {}, ['axis1'])],
      /\(ReduceSum\): it sums up over something else than all rows and columns/,
    ],
    [
      'a mean over rows alone',
      [attribute('ReduceMean', { axes: [2] })],
      /it reads the mean of node "n0" \(ReduceMean\)/,
    ],
    [
      'a smallest number',
      [attribute('ReduceMin', { axes: [2, 3] })],
      /\(ReduceMin\): it is understood among constants alone/,
    ],
    ['softmax on a map', [attribute('Softmax', { axis: 1 })], /\(Softmax\): it is no softmax over the classes/],
    [
      'softmax of another axis',
      [{ operator: 'GlobalAveragePool' }, attribute('Softmax', { axis: 2 })],
      /\(Softmax\): it is no softmax/,
    ],
    [
      'softmax in the middle',
      [{ operator: 'GlobalAveragePool' }, attribute('Softmax', { axis: 1 }), { operator: 'Relu' }],
      /node "n2" \(Relu\): it reads the probabilities of node "n1" \(Softmax\)/,
    ],
    [
      'rows and columns that change places',
      [attribute('Transpose', { perm: [0, 1, 3, 2] }), { operator: 'Conv', inputs: ['k'] }],
      /\(Conv\): rows, columns and channels are mixed up or turned/,
    ],
    [
      'a product of two maps',
      [{ operator: 'MatMul', inputs: ['x'] }],
      /\(MatMul\): a product of two matrices that both come from the picture/,
    ],
    [
      'parts of rows',
      [
        { operator: 'Reshape', inputs: ['to-tokens'] },
        { operator: 'Conv', inputs: ['k'] },
      ],
      /\(Conv\): expected pictures of rows and columns, got a tensor of 3/,
    ],
    [
      'an uneven division',
      [{ operator: 'Reshape', inputs: ['uneven'] }],
      /\(Reshape\): it makes \[1,4,27\] of \[1,3,6,6\], which divides/,
    ],
    [
      'another padding',
      [attribute('Pad', { mode: 'reflect' }, ['four-sides'])],
      /padding of the kind "reflect" is not understood/,
    ],
    ['padding by 1', [{ operator: 'Pad', inputs: ['four-sides', 'one'] }], /padding by other numbers than 0/],
    [
      'rows that are joined',
      [attribute('Concat', { axis: 2 }, ['x'])],
      /\(Concat\): it joins rows, columns or pictures/,
    ],
    [
      'a map joined with ones',
      [attribute('Concat', { axis: 1 }, ['picture'])],
      /\(Concat\): it joins a map and constants other than 0/,
    ],
    [
      'rows in another order',
      [
        { operator: 'Gather', inputs: ['axis2'], attributes: { axis: 2 } },
        { operator: 'Slice', inputs: ['axis3', 'axis1', 'axis3', 'minus'] },
      ],
      /\(Slice\)/,
    ],
    [
      'steps of rows alone',
      [{ operator: 'Slice', inputs: ['zero', 'far', 'axis2', 'axis2'] }],
      /it reads the part of node "n0" \(Slice\)/,
    ],
    ['a repetition', [{ operator: 'Tile', inputs: ['tiles'] }], /\(Tile\): it repeats \[1,3,6,6\] to \[1,6,6,6\]/],
    ['a rounded map', [attribute('Cast', { to: 7 })], /\(Cast\): it rounds what comes from the picture/],
    [
      'a transposed map in Gemm',
      [attribute('Reshape', {}, ['matrix']), attribute('Gemm', { transA: 1 }, ['w'])],
      /\(Gemm\): its first matrix is transposed/,
    ],
    ['another SELU', [attribute('Selu', { alpha: { float: 1 } })], /\(Selu\): alpha 1 and gamma/],
    [
      'the second output',
      [
        { ...attribute('MaxPool', { kernel_shape: [2, 2] }), others: ['where'] },
        { operator: 'Add', inputs: ['where'] },
      ],
      /node "n0" \(MaxPool\): its output 2 is not understood/,
    ],
  ])('%s', (_, steps, message) => {
    const more = [
      integers('zero', [0]),
      integers('far', [2n ** 63n - 1n]),
      integers('minus', [-1]),
      integers('tiles', [1, 2, 1, 1]),
      integers('matrix', [3, 36]),
    ];
    return expectRefused(() => read({ nodes: chain(steps), tensors: [...tensors, ...more] }), 'UNSUPPORTED', message);
  });

  test('a function of the file', async () => {
    const functions = [bytes(25, bytes(1, 'Swish'))];
    const nodes = chain([{ operator: 'Swish', domain: 'my' }]);
    await expectRefused(
      () => read({ nodes, tensors, more: functions }),
      'UNSUPPORTED',
      /\(Swish\): it is a function that the file defines itself/,
    );
  });
});

describe('files that contradict themselves', () => {
  test.each<[string, Step[], RegExp]>([
    [
      'weights of other channels',
      [attribute('Conv', {}, ['k2'])],
      /node "n0" \(Conv\): weights of shape \[2,2,3,3\] in 1 groups do not fit 3 channels/,
    ],
    ['groups that do not divide', [attribute('Conv', { group: 2 }, ['k2'])], /in 2 groups do not fit/],
    [
      'another window',
      [attribute('Conv', { kernel_shape: [5, 5] }, ['k'])],
      /kernel_shape 5,5 is not that of its weights/,
    ],
    ['a bias of another size', [attribute('Conv', {}, ['k', 'v3'])], /expected a bias of 2 numbers, got 3/],
    [
      'a window larger than the map',
      [attribute('MaxPool', { kernel_shape: [9, 9] })],
      /node "n0" \(MaxPool\): a window of 9 x 9 does not fit/,
    ],
    [
      'pads in both ways',
      [attribute('Conv', { auto_pad: 'VALID', pads: [1, 1, 1, 1] }, ['k'])],
      /pads beside auto_pad "VALID"/,
    ],
    ['an unknown auto_pad', [attribute('Conv', { auto_pad: 'SOME' }, ['k'])], /auto_pad "SOME"/],
    ['a list where a number belongs', [attribute('Conv', { group: [1] }, ['k'])], /expected a number as group/],
    ['a number where a list belongs', [attribute('Conv', { pads: 1 }, ['k'])], /expected whole numbers as pads/],
    [
      'vectors of another size',
      [attribute('BatchNormalization', {}, ['v2', 'v3', 'v3', 'v3'])],
      /expected 3 numbers as input 2, got shape \[2\]/,
    ],
    [
      'negative variances',
      [attribute('BatchNormalization', {}, ['v3', 'v3', 'v3', 'negative'])],
      /expected variances, got -1/,
    ],
    [
      'a division by 0',
      [attribute('Transpose', { perm: [0, 2, 3, 1] }), { operator: 'Div', inputs: ['zeros'] }],
      /\(Div\): it divides by 0/,
    ],
    [
      'a size that does not fit',
      [{ operator: 'Reshape', inputs: ['other-size'] }],
      /it makes \[1,3,7,7\] of \[1,3,6,6\], which are not as many numbers; a file may be made for one input size/,
    ],
    [
      'a dimension that is not there',
      [attribute('Transpose', { perm: [0, 1, 2, 4] })],
      /there are no dimensions 0, 1, 2, 4 among 4/,
    ],
    [
      'a product over columns',
      [{ operator: 'MatMul', inputs: ['w'] }],
      /expected 3 numbers, for which its weights were made, got 6; an input of another size/,
    ],
    ['a missing input', [{ operator: 'Conv' }], /\(Conv\): expected more than 1 inputs/],
    [
      'a value that nothing gives',
      [{ operator: 'Add', inputs: ['nowhere'] }],
      /it reads "nowhere", which nothing before it gives/,
    ],
    [
      'a value that comes later',
      [{ operator: 'Add', inputs: ['y1'] }, { operator: 'Relu' }],
      /node "n0" \(Add\): it reads "y1", which nothing before it gives/,
    ],
  ])('%s', (_, steps, message) => expectRefused(() => read({ nodes: chain(steps), tensors }), 'BAD_WEIGHTS', message));

  const relu: OnnxNode = { operator: 'Relu', inputs: ['x'], output: 'y' };
  const conv = (tensor: Uint8Array): OnnxModelParts => ({
    nodes: [
      { operator: 'Conv', inputs: ['x', 't'], output: 'c' },
      { operator: 'GlobalAveragePool', inputs: ['c'], output: 'y' },
    ],
    tensors: [tensor],
  });
  const tensor = (...more: Uint8Array[]) =>
    Buffer.concat([...[2, 3, 1, 1].map((side) => integer(1, side)), bytes(8, 't'), ...more]);
  const six = new Uint8Array(24);

  test.each<[string, OnnxModelParts, RegExp]>([
    ['a value given twice', { nodes: [relu, relu] }, /two nodes give the value "y"/],
    ['the input given again', { nodes: [{ ...relu, output: 'x' }] }, /two nodes give the value "x"/],
    ['a tensor that stands twice', { nodes: [relu], tensors: [tensors[0], tensors[0]] }, /the tensor "k" stands twice/],
    ['no graph', { nodes: [], outputs: [] }, /expected a model with a graph, got none/],
    ['an unknown field of a model', { nodes: [relu], more: [integer(99, 1)] }, /field 99 of a model is not known/],
    ['an unknown field of a graph', { nodes: [relu], inGraph: [integer(99, 1)] }, /field 99 of a graph is not known/],
    ['sparse weights', { nodes: [relu], inGraph: [bytes(15, '')] }, /field 15 of a graph is not known/],
    ['text as weights', conv(tensor(integer(2, 8), bytes(6, 'a'))), /tensor "t": ONNX (field 6|type 8) is not/],
    [
      'bytes missing',
      conv(tensor(integer(2, 1), bytes(9, six.subarray(1)))),
      /tensor "t": expected 24 bytes for F32 \[2,3,1,1\], got 23/,
    ],
    ['numbers elsewhere', conv(tensor(integer(2, 1), bytes(10, six))), /its numbers are not where its type says/],
    ['numbers twice', conv(tensor(integer(2, 1), bytes(9, six), bytes(9, six))), /expected its numbers in one piece/],
    ['no numbers', conv(tensor(integer(2, 1))), /expected its numbers in one piece/],
    [
      'too many numbers',
      { nodes: [relu], tensors: [Buffer.concat([integer(1, 2 ** 20), integer(1, 2 ** 20), integer(2, 1)])] },
      /expected at most 536870912 elements, got shape \[1048576, 1048576\]/,
    ],
    ['a map at the end', { nodes: [relu] }, /output "y": expected a number for each class, got a map of 6 x 6 points/],
    [
      'an output that is constant',
      { nodes: [relu], outputs: [{ name: 'k' }, { name: 'y' }], tensors },
      /output "k": it does not depend on the picture/,
    ],
    [
      'a softmax of one class',
      {
        nodes: [
          { operator: 'GlobalAveragePool', inputs: ['x'], output: 'g' },
          { operator: 'Softmax', inputs: ['g'], output: 'y', attributes: { axis: 1 } },
        ],
        inputs: [{ name: 'x', shape: [1, 1, 6, 6] }],
      },
      /a softmax of one class is always 1/,
    ],
    [
      'probabilities that are computed with',
      {
        nodes: [
          { operator: 'GlobalAveragePool', inputs: ['x'], output: 'g' },
          { operator: 'Sigmoid', inputs: ['g'], output: 's' },
          { operator: 'Neg', inputs: ['s'], output: 'y' },
        ],
      },
      /it is made of probabilities, those of "s"/,
    ],
  ])('%s', (_, parts, message) => expectRefused(() => read(parts), 'BAD_WEIGHTS', message));
});

describe('versions, inputs and outputs', () => {
  const mean: OnnxNode = { operator: 'GlobalAveragePool', inputs: ['x'], output: 'y' };

  test.each([
    [{ opset: 6 }, /expected operator set 7 to 23, got 6; convert the model with onnx.version_converter/],
    [{ opset: 24 }, /got 24/],
    [{ ir: 2 }, /expected IR version 3 to 13, got 2; export the model anew/],
    [{ ir: 99 }, /got 99/],
  ])('%o', (version, message) => expectRefused(() => read({ nodes: [mean], ...version }), 'UNSUPPORTED', message));

  test('two inputs, or none', async () => {
    const two: OnnxNode[] = [
      { operator: 'Add', inputs: ['x', 'z'], output: 's' },
      { ...mean, inputs: ['s'] },
    ];
    const inputs = [input, { ...input, name: 'z' }];
    await expectRefused(
      () => read({ nodes: two, inputs }),
      'UNSUPPORTED',
      /expected one input, a picture, got "x", "z"; export/,
    );
    await expectRefused(
      () => read({ nodes: [{ operator: 'Relu', inputs: ['k'], output: 'y' }], tensors }),
      'UNSUPPORTED',
      /got none/,
    );
    await read({ nodes: [mean], inputs }); // one that nothing reads does no harm
  });

  test('outputs: the one with probabilities, the last one, the one that is asked for', async () => {
    const branch = (of: string, output: string): OnnxNode => ({ operator: 'Gemm', inputs: [of, 'w'], output });
    const nodes: OnnxNode[] = [
      mean,
      { operator: 'Flatten', inputs: ['y'], output: 'f' },
      branch('f', 'a'),
      branch('f', 'b'),
    ];
    const logits = async (outputs: string[], options?: OnnxOptions, more: OnnxNode[] = []) => {
      const { graph } = await read(
        { nodes: [...nodes, ...more], tensors, outputs: outputs.map((name) => ({ name })) },
        options,
      );
      return `${graph.nodes[graph.logits].name} ${graph.head}`;
    };
    await expectRefused(
      () => logits(['a', 'b']),
      'UNSUPPORTED',
      /it is unclear which output has the classes: "a", "b"; say so by the option output/,
    );
    await expectRefused(
      () => logits(['a', 'b'], { output: 'c' }),
      'BAD_ARGUMENT',
      /output: expected one of "a", "b", got "c"/,
    );
    const found = [
      await logits(['a', 'b'], { output: 'b' }),
      await logits(['f', 'a']),
      await logits(['a'], { head: 'sigmoid' }),
      await logits(['a', 's'], {}, [{ operator: 'Sigmoid', inputs: ['b'], output: 's' }]),
      await logits(['a', 's'], {}, [{ operator: 'Softmax', inputs: ['a'], output: 's' }]),
      await logits(['t'], {}, [{ operator: 'ArgMax', inputs: ['a'], output: 't' }]),
      await logits(['a', 'u'], {}, [{ operator: 'Frobnicate', inputs: ['a'], output: 'u' }]),
    ];
    expect(found).toEqual(['b softmax', 'a softmax', 'a sigmoid', 'b sigmoid', 'a softmax', 'a softmax', 'a softmax']);
  });
});
