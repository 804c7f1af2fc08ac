import { AtrousCamError } from '../../base/errors.js';
import type { HeadKind, NodeId, Shape } from '../../graph/graph.js';
import { type GraphAndTensors, NetworkBuilder } from '../network-builder.js';
import { OTHERWISE } from '../preprocessing.js';
import { badWeights, quote } from '../source.js';
import type { RawTensor } from '../tensor.js';
import { LayerCall, type Reading, type Value } from './call.js';
import { type KerasLayer, type KerasModel, type Ref, readKerasConfig, refsOf } from './config.js';
import type { KerasContents } from './contents.js';
import { readLayer } from './layers.js';
import { isOperator } from './operators.js';
import { computingOrder } from './order.js';
import { Settings, say } from './settings.js';
import { KerasWeights } from './weights.js';

/** What a file says about how pictures become the network's input. */
export interface StatedPreprocessing {
  /**
   * `raw`: 0 to 255, the network scales by itself. `caffe`, `tf`, `torch`: as keras.applications does for models of this name. Undefined
   * where nothing says.
   */
  readonly kind: 'raw' | 'caffe' | 'tf' | 'torch' | undefined;
  /** Whether a name alone says so. */
  readonly isAssumed?: boolean;
  /** What is assumed without being stated, in whole sentences. */
  readonly assumed: readonly string[];
}

export interface ReadNetwork extends GraphAndTensors {
  /** The model's name. */
  readonly family: string;
  readonly preprocessing: StatedPreprocessing;
}

export interface GraphOptions {
  /** Of the input: a side, or height and width. The file's own by default. */
  inputSize?: number | readonly [number, number];
}

/** A Keras file that has been opened. */
export interface KerasFile {
  readonly source: string;
  readonly contents: KerasContents<RawTensor>;
  /** The model as JSON. */
  readonly config: string;
  /** Of the Keras that wrote the file, `2.15.0`. */
  readonly version?: string;
}

/**
 * The network of a Keras file as a graph, for one input size. Nothing is guessed: every layer, option, activation and array is understood, or
 * the file is refused with UNSUPPORTED (BAD_WEIGHTS where it is damaged, BAD_ARGUMENT for an input size that cannot be), naming the
 * layer, its class and what to do.
 */
export async function readKerasGraph(
  { source, contents, config, version }: KerasFile,
  options: GraphOptions = {},
): Promise<ReadNetwork> {
  const model = readKerasConfig(source, config);
  const net = new NetworkBuilder(source);
  const input = inputLayer(source, model);
  const stated = statedShape(source, input);
  const size = inputSize(input.name, stated, options.inputSize);
  const node = net.builder.input(size, { name: input.name });
  const major = /^\d+/.exec(version ?? '')?.[0];
  const reading: Reading = {
    net,
    weights: new KerasWeights(source, contents, model),
    keras3: major === undefined ? undefined : Number(major) >= 3,
    names: new Set([input.name]),
    computed: new Map(),
    resized: size.h !== stated.h || size.w !== stated.w,
  };
  const walk = new Walk(reading);
  const [end] = walk.model(model, [{ node, rank: 4 }], []);
  reading.weights.finish();
  const { head, assumed } = headOf(reading, model, end);
  const network = await net.finish(end.node, head);
  const preprocessing = walk.isRaw ? { kind: 'raw' as const, assumed: [] } : byName(walk.names);
  return {
    ...network,
    family: `Keras model ${quote(model.name)}`,
    preprocessing: { ...preprocessing, assumed: [...preprocessing.assumed, ...assumed] },
  };
}

/** Goes through models in computing order. */
class Walk {
  /** Whether the network scales its pictures itself. */
  isRaw = false;
  /** Of all models. */
  readonly names: string[] = [];

  constructor(private readonly reading: Reading) {}

  /** The outputs of a model. @param path the models that it is in */
  model(model: KerasModel, inputs: readonly Value[], path: readonly string[]): Value[] {
    const { source } = this.reading.net;
    this.names.push(model.name);
    if (inputs.length !== model.inputs.length)
      throw badWeights(
        source,
        `model ${quote(model.name)}: expected ${model.inputs.length} inputs, got ${inputs.length}`,
      );
    const outputs = new Map<string, readonly Value[]>();
    const key = (layer: string, call: number) => `${call} ${layer}`;
    const outputOf = ({ layer, call, output }: Ref): Value => {
      const { calls } = model.layers.get(layer)!;
      const value = outputs.get(key(layer, calls.length <= 1 ? 0 : call))?.[output];
      if (!value) throw badWeights(source, `layer ${quote(layer)} has no output ${output} of call ${call}`);
      return value;
    };
    for (const [i, { layer }] of model.inputs.entries()) outputs.set(key(layer, 0), [inputs[i]]);
    for (const [layer, number] of computingOrder(source, model)) {
      if (outputs.has(key(layer.name, number))) continue;
      if (layer.className === 'InputLayer')
        throw badWeights(source, `layer ${quote(layer.name)} is no input of its model`);
      outputs.set(key(layer.name, number), this.#layer(layer, number, outputOf, path));
    }
    return model.outputs.map(outputOf);
  }

  #layer(layer: KerasLayer, number: number, outputOf: (ref: Ref) => Value, path: readonly string[]): readonly Value[] {
    const call = layer.calls[number];
    const training = call.named.get('training');
    if (training && 'value' in training && training.value === true)
      throw new Settings(this.reading.net.source, layer).unsupported(
        'it is called with training=True, so that it is at random or learns when the network is used; call it without',
      );
    if (!layer.model) {
      const value = readLayer(new LayerCall(this.reading, layer, call, outputOf, path));
      if (isPreprocessing(layer) && this.#isNearInput(value.node)) this.isRaw = true;
      return [value];
    }
    if (layer.calls.length > 1)
      throw new Settings(this.reading.net.source, layer).unsupported(
        `it is used ${layer.calls.length} times, which is not supported for models in models; use it once`,
      );
    return this.model(layer.model, refsOf(call).map(outputOf), [...path, layer.name]);
  }

  /** Whether a node only scales the input and moves its channels. */
  #isNearInput(node: NodeId): boolean {
    const { nodes } = this.reading.net.builder;
    let at = nodes[node];
    while (at.op === 'affine' || at.op === 'channels') at = nodes[at.from[0]];
    return at.op === 'input' && node !== 0;
  }
}

const isPreprocessing = (layer: KerasLayer): boolean =>
  layer.className === 'Rescaling' || layer.className === 'Normalization' || isOperator(layer);

function inputLayer(source: string, { name, layers, inputs, outputs }: KerasModel): KerasLayer {
  if (inputs.length !== 1 || outputs.length !== 1)
    throw new AtrousCamError(
      'UNSUPPORTED',
      `weights ${quote(source)}: the model ${quote(name)} has ${inputs.length} inputs and ${outputs.length} outputs; expected one picture and one list of classes, make such a model with keras.Model(input, output)`,
    );
  const layer = layers.get(inputs[0].layer);
  if (layer?.className !== 'InputLayer')
    throw badWeights(source, `the input ${quote(inputs[0].layer)} of the model is no InputLayer`);
  return layer;
}

/** Rows, columns and channels of an input, undefined where they may be any. */
function statedShape(source: string, { name, config }: KerasLayer): Partial<Shape> & { c: number } {
  const shape = config.batch_shape ?? config.batch_input_shape;
  const [, h, w, c] = Array.isArray(shape) ? shape : [];
  if (!Array.isArray(shape) || shape.length !== 4)
    throw new AtrousCamError(
      'UNSUPPORTED',
      `weights ${quote(source)}: the input ${quote(name)} is of shape ${say(shape)}; expected rows, columns and channels of a picture`,
    );
  const side = (n: unknown) => (Number.isSafeInteger(n) ? (n as number) : undefined);
  const channels = side(c);
  if (channels === undefined)
    throw badWeights(
      source,
      `the input ${quote(name)} does not say how many channels it has; save the model with them`,
    );
  return { h: side(h), w: side(w), c: channels };
}

function inputSize(
  name: string,
  { h, w, c }: Partial<Shape> & { c: number },
  wanted: GraphOptions['inputSize'],
): Shape {
  const [rows, columns] = typeof wanted === 'number' ? [wanted, wanted] : (wanted ?? [h, w]);
  if (rows === undefined || columns === undefined)
    throw new AtrousCamError(
      'BAD_ARGUMENT',
      `inputSize: the file does not say how large its input ${quote(name)} is; give the size that the network was trained with`,
    );
  if (![rows, columns].every((side) => Number.isInteger(side) && side >= 1 && side <= 4096))
    throw new AtrousCamError(
      'BAD_ARGUMENT',
      `inputSize: expected 1 to 4096 rows and columns, got ${rows} x ${columns}`,
    );
  return { h: rows, w: columns, c };
}

/** How the last layer's numbers become probabilities. */
function headOf({ net }: Reading, model: KerasModel, end: Value): { head: HeadKind; assumed: string[] } {
  const name = quote(model.outputs[0].layer);
  const refuse = (what: string) =>
    new AtrousCamError('UNSUPPORTED', `weights ${quote(net.source)}: layer ${name}: ${what}`);
  const { h, w, c } = net.shape(end.node);
  if (h > 1 || w > 1 || end.elements || end.channel !== undefined)
    throw refuse(
      `the network ends in a map of ${h} x ${w} points, not in one number a class; save it with its classifier`,
    );
  if (end.pending?.kind === 'softmax' && c === 1)
    throw refuse('a softmax of one number is always 1; a network of one output ends in a sigmoid');
  if (end.pending) return { head: end.pending.kind, assumed: [] };
  const { nodes } = net.builder;
  let last = nodes[end.node];
  while (['global', 'pool', 'affine', 'channels'].includes(last.op)) last = nodes[last.from[0]];
  if (last.op !== 'dense' && last.op !== 'conv' && last.op !== 'add')
    throw refuse(
      `the network ends in ${last.op === 'activation' ? `${last.activation.f} and no classifier` : 'no classifier'}; save it with the layers that tell its classes apart`,
    );
  const head = c === 1 ? 'sigmoid' : 'softmax';
  return { head, assumed: [`Layer ${name} gives numbers that no softmax or sigmoid follows; a ${head} is assumed.`] };
}

/** keras.applications' models by their names, and how they want pictures. */
const applications: readonly [RegExp, 'caffe' | 'tf' | 'torch'][] = [
  [/^(vgg1[69]|resnet(50|101|152))$/, 'caffe'],
  [/^(resnet(50|101|152)v2|mobilenet(v2)?_.*|inception_(resnet_v2|v3)|xception|nasnet.*)$/i, 'tf'],
  [/^densenet(121|169|201)$/, 'torch'],
];

/**
 * What the models' names say. A whole model of keras.applications is what it is; of one inside another it is only likely that pictures are
 * prepared as it was trained.
 */
function byName(names: readonly string[]): StatedPreprocessing {
  for (const [i, name] of names.entries()) {
    const kind = applications.find(([pattern]) => pattern.test(name))?.[1];
    if (kind && i === 0) return { kind, assumed: [] };
    if (!kind) continue;
    const assumed = `Pictures are prepared as keras.applications does for ${quote(name)} ('${kind}'), which is a part of this model. ${OTHERWISE}`;
    return { kind, isAssumed: true, assumed: [assumed] };
  }
  return { kind: undefined, assumed: [] };
}
