import { AtrousCamError } from '../../base/errors.js';
import { sizeFrom } from '../../base/shape.js';
import type { Names } from '../../graph/builder.js';
import type { NodeId, Shape } from '../../graph/graph.js';
import { type Affine, type Numbers, numbersOf } from '../computed.js';
import type { NetworkBuilder } from '../network-builder.js';
import { quote } from '../source.js';
import { plainTensor } from '../tensor.js';
import type { Tensor } from '../types.js';
import { activationOf, type KerasActivation } from './activations.js';
import type { Argument, Call, KerasLayer, Ref } from './config.js';
import { Settings } from './settings.js';
import type { KerasWeights, WeightName } from './weights.js';

/** Elements: 2 GiB of float32. */
const largestTensor = 2 ** 29;

/** What flows between layers. */
export interface Value {
  readonly node: NodeId;
  /**
   * Axes, with that of the batch: 4 for maps, 2 for vectors. A value of rank 2 whose node is a map larger than 1 x 1 stands for its numbers
   * one after the other.
   */
  readonly rank: 2 | 4;
  /** An activation that is not computed yet, because it may be the network's head. */
  readonly pending?: Pending;
  /** A normalization of a flattened map, one number an element: the dense layer behind it computes it. */
  readonly elements?: Affine;
  /** One channel of a map, which only a stack of them can read. */
  readonly channel?: number;
}

export interface Pending {
  readonly kind: 'softmax' | 'sigmoid';
  readonly names: Names;
}

/** What all layers of a model share while it is being read. */
export interface Reading {
  readonly net: NetworkBuilder;
  readonly weights: KerasWeights;
  /** Undefined where the file does not tell. */
  readonly keras3: boolean | undefined;
  /** Names that are taken. */
  readonly names: Set<string>;
  /** Values whose pending activation has been computed after all. */
  readonly computed: Map<Value, Value>;
  /** Whether the caller wants another input size than the file's. */
  readonly resized: boolean;
}

/** One call of a layer, with all that is needed to turn it into nodes. */
export class LayerCall {
  readonly settings: Settings;
  readonly #name: string;

  /** @param path the models that the layer is in */
  constructor(
    readonly reading: Reading,
    readonly layer: KerasLayer,
    readonly call: Call,
    readonly outputOf: (ref: Ref) => Value,
    readonly path: readonly string[],
  ) {
    this.settings = new Settings(reading.net.source, layer);
    const full = [...path, layer.name].join('/');
    this.#name = this.#free(layer.name, full);
  }

  get net(): NetworkBuilder {
    return this.reading.net;
  }

  /** The layer's name, or for one of several nodes that with `part` behind it. */
  names(part?: string): Names {
    const full = [...this.path, this.layer.name].join('/');
    if (part !== undefined) return { name: this.#take(`${this.#name}/${part}`) };
    const aliases = full === this.#name ? [] : [full];
    return { name: this.#take(this.#name), aliases };
  }

  /** The inputs, in order. */
  get inputs(): Value[] {
    const values = (argument: Argument): Value[] =>
      'ref' in argument ? [this.input(argument.ref)] : 'list' in argument ? argument.list.flatMap(values) : [];
    return [...this.call.args, ...this.call.named.values()].flatMap(values);
  }

  /** The only input. */
  get x(): Value {
    const { inputs } = this;
    if (inputs.length !== 1) throw this.settings.damaged(`expected one input, got ${inputs.length}`);
    return inputs[0];
  }

  /** The only input, which has to have four axes. */
  get map(): Value {
    const { x } = this;
    if (x.rank !== 4) throw this.settings.damaged('expected a map of rows, columns and channels, got a vector');
    return x;
  }

  shape({ node }: Value): Shape {
    return this.net.shape(node);
  }

  /** Whether a value is a flattened map. */
  isFlat(value: Value): boolean {
    const { h, w } = this.shape(value);
    return value.rank === 2 && (h > 1 || w > 1);
  }

  /** A value that is computed, which a last softmax or sigmoid is not at first. */
  input(ref: Ref): Value {
    const value = this.outputOf(ref);
    if (value.channel !== undefined && this.layer.className !== 'Stack')
      throw this.settings.unsupported('it reads a single channel of a map, which is not supported');
    if (!value.pending) return value;
    const known = this.reading.computed.get(value);
    if (known) return known;
    const { pending, ...rest } = value;
    if (pending.kind === 'softmax')
      throw this.settings.unsupported('it reads a softmax, which is supported at the end of a network only');
    const node = this.net.activation(value.node, { f: 'sigmoid' }, pending.names);
    const computed = { ...rest, node };
    this.reading.computed.set(value, computed);
    return computed;
  }

  /** Arrays of the layer, with their shapes. */
  weights(
    shapes: Readonly<Partial<Record<WeightName, readonly number[]>>>,
    optional?: readonly WeightName[],
  ): Tensor[] {
    const wanted = Object.entries(shapes) as [WeightName, readonly number[]][];
    const names = wanted.map(([name]) => name);
    const { source } = this.net;
    return this.reading.weights.take([...this.path, this.layer.name], names, optional).map((raw, i) => {
      const [name, shape] = wanted[i];
      if (raw.shape.length !== shape.length || raw.shape.some((side, k) => side !== shape[k])) {
        if (this.reading.resized && this.layer.className === 'Dense')
          throw new AtrousCamError(
            'BAD_ARGUMENT',
            `inputSize: the dense layer ${quote(this.layer.name)} was made for ${raw.shape[0]} numbers and gets ${shape[0]} with an input of this size; leave inputSize out, or give the size that the network was trained with`,
          );
        throw this.settings.damaged(`expected "${name}" of shape [${shape.join(', ')}], got [${raw.shape.join(', ')}]`);
      }
      if (sizeFrom(shape) > largestTensor)
        throw this.settings.damaged(
          `expected "${name}" of at most ${largestTensor} elements, got [${shape.join(', ')}]`,
        );
      return plainTensor(source, raw);
    });
  }

  /** Arrays of the layer that are vectors, as numbers. */
  vectors(
    shapes: Readonly<Partial<Record<WeightName, readonly number[]>>>,
    optional?: readonly WeightName[],
  ): Numbers[] {
    return this.weights(shapes, optional).map((tensor) => numbersOf(this.net.source, tensor));
  }

  /** The value behind an activation. The last sigmoid or softmax of a network is its head and no node. */
  activated(value: Value, activation: KerasActivation, names = () => this.names('activation')): Value {
    if (activation === 'linear') return value;
    if (value.elements) throw this.settings.unsupported(betweenFlattenAndDense);
    if (activation === 'softmax') {
      if (this.isFlat(value))
        throw this.settings.unsupported('it takes the softmax of a whole map; only vectors are supported');
      return { ...value, pending: { kind: 'softmax', names: names() } };
    }
    if (activation.f === 'sigmoid') return { ...value, pending: { kind: 'sigmoid', names: names() } };
    return { ...value, node: this.net.activation(value.node, activation, names()) };
  }

  /** The value behind the activation that the layer has as an option. */
  withActivation(value: Value): Value {
    return this.activated(value, activationOf(this.settings, 'activation', this.reading.keras3));
  }

  /** The layer's own name, else that with the models that it is in. */
  #free(name: string, full: string): string {
    return this.reading.names.has(name) ? full : name;
  }

  #take(name: string): string {
    let free = name;
    for (let i = 2; this.reading.names.has(free); i++) free = `${name}_${i}`;
    this.reading.names.add(free);
    return free;
  }
}

export const betweenFlattenAndDense =
  'it stands between a Flatten with a normalization and a dense layer, which is not supported; put it before the Flatten';

/** Turns a call of a layer into nodes. */
export type ReadLayer = (call: LayerCall) => Value;
