import { AtrousCamError } from '../../base/errors.js';
import { badWeights, quote } from '../source.js';

/** One output of a layer: which call of it, which of the outputs. */
export interface Ref {
  readonly layer: string;
  readonly call: number;
  readonly output: number;
}

/** What a layer is called with: an output of another layer, a list, or a constant as JSON has it. */
export type Argument = { readonly ref: Ref } | { readonly list: readonly Argument[] } | { readonly value: unknown };

export interface Call {
  readonly args: readonly Argument[];
  readonly named: ReadonlyMap<string, Argument>;
}

/** A layer as the file states it. */
export interface KerasLayer {
  readonly name: string;
  /** `Conv2D`; a class of the user's own keeps its package, `my>Conv2D`. */
  readonly className: string;
  /** What the layer was made with. */
  readonly config: Json;
  /** Where it is a model in the model. */
  readonly model?: KerasModel;
  readonly calls: readonly Call[];
}

export interface KerasModel {
  readonly name: string;
  /** In the file's order, which need not be the order of computing. */
  readonly layers: ReadonlyMap<string, KerasLayer>;
  readonly inputs: readonly Ref[];
  readonly outputs: readonly Ref[];
}

export type Json = Readonly<Record<string, unknown>>;

/** Whose layers are all that they are. */
const modelClasses = ['Functional', 'Model', 'Sequential'];

const limits = { text: 64 << 20, layers: 10_000, models: 16, lists: 16 };

/** All outputs of layers among the arguments, in order. */
export const refsOf = ({ args, named }: Call): Ref[] => [...args, ...named.values()].flatMap(refsIn);

const refsIn = (argument: Argument): Ref[] =>
  'ref' in argument ? [argument.ref] : 'list' in argument ? argument.list.flatMap(refsIn) : [];

/**
 * Reads a model's configuration: Keras 2's and Keras 3's, Sequential, functional, and models in models. What layers do is not looked at.
 * Throws BAD_WEIGHTS where it is damaged, UNSUPPORTED where the model is code.
 */
export function readKerasConfig(source: string, text: string): KerasModel {
  if (text.length > limits.text)
    throw badWeights(source, `expected a configuration of at most ${limits.text} characters, got ${text.length}`);
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (cause) {
    throw badWeights(source, 'the configuration of the model is no JSON; the file is damaged', { cause });
  }
  return new ConfigReader(source).model(object(json), 0);
}

class ConfigReader {
  #layers = 0;

  constructor(private readonly source: string) {}

  model({ class_name: className, config }: Json, depth: number): KerasModel {
    if (depth > limits.models) throw this.#damaged(`models in models more than ${limits.models} deep`);
    // Keras 2.0 and 2.1 had the layers of a Sequential without a name around them.
    const settings: Json = Array.isArray(config) ? { layers: config } : object(config);
    const name = typeof settings.name === 'string' ? settings.name : 'model';
    if (!isText(className)) throw this.#damaged('expected a model with a "class_name", got none');
    if (!Array.isArray(settings.layers) || !modelClasses.includes(className))
      throw new AtrousCamError(
        'UNSUPPORTED',
        `weights ${quote(this.source)}: the model ${quote(name)} is of a class of its own, ${quote(className)}, whose Python code the file does not have; save keras.Model(model.inputs, model.outputs), or build it of layers`,
      );
    const layers = settings.layers.map(object);
    return className === 'Sequential'
      ? this.#sequential(name, settings, layers, depth)
      : this.#functional(name, settings, layers, depth);
  }

  #functional(name: string, settings: Json, list: readonly Json[], depth: number): KerasModel {
    const layers = new Map<string, KerasLayer>();
    for (const json of list) {
      const nodes = Array.isArray(json.inbound_nodes) ? json.inbound_nodes : [];
      this.#add(
        layers,
        this.#layer(
          json,
          nodes.map((node) => this.#call(node)),
          depth,
        ),
      );
    }
    const ends = (key: string) => this.#refs(settings[key]);
    return { name, layers, inputs: ends('input_layers'), outputs: ends('output_layers') };
  }

  /** A chain; its input is a layer of its own here, whether the file has that or not. */
  #sequential(name: string, settings: Json, list: readonly Json[], depth: number): KerasModel {
    const layers = new Map<string, KerasLayer>();
    let last: Ref | undefined;
    const add = (json: Json) => {
      const calls = last ? [{ args: [{ ref: last }], named: new Map() }] : [];
      const layer = this.#layer(json, calls, depth);
      this.#add(layers, layer);
      last = { layer: layer.name, call: 0, output: 0 };
    };
    if (list.length === 0) throw this.#damaged(`the model ${quote(name)} has no layers`);
    if (list[0].class_name !== 'InputLayer') {
      add({ class_name: 'InputLayer', config: { name: `${name} input`, batch_shape: inputOf(list[0], settings) } });
    }
    list.forEach(add);
    const [first] = layers.keys();
    return { name, layers, inputs: [{ layer: first, call: 0, output: 0 }], outputs: [last!] };
  }

  #add(layers: Map<string, KerasLayer>, layer: KerasLayer): void {
    if (layers.has(layer.name)) throw this.#damaged(`two layers are called ${quote(layer.name)}`);
    if (++this.#layers > limits.layers) throw this.#damaged(`more than ${limits.layers} layers`);
    layers.set(layer.name, layer);
  }

  #layer(json: Json, calls: readonly Call[], depth: number): KerasLayer {
    const config = object(json.config);
    const name = json.name ?? config.name;
    if (!isText(name) || !isText(json.class_name))
      throw this.#damaged('expected layers with a "name" and a "class_name", got one without');
    const className = isOwn(json) ? ownName(json) : json.class_name;
    const isModel = Array.isArray(config.layers) || Array.isArray(json.config);
    const model = isModel ? this.model(json, depth + 1) : undefined;
    return { name, className, config, calls, ...(model && { model }) };
  }

  #call(node: unknown): Call {
    if (Array.isArray(node)) return this.#legacyCall(node);
    const { args, kwargs } = object(node);
    if (!Array.isArray(args)) throw this.#damaged('expected calls of layers with "args", got one without');
    const named = Object.entries(object(kwargs)).map(([key, value]) => [key, this.#argument(value, 0)] as const);
    return { args: args.map((argument) => this.#argument(argument, 0)), named: new Map(named) };
  }

  /** `[["conv", 0, 0, {}], ...]`, or for TensorFlow's operators `["conv", 0, 0, {"y": 2}]`. */
  #legacyCall(node: readonly unknown[]): Call {
    const entries = isText(node[0]) ? [node] : node;
    const args = entries.map((entry): Argument => {
      if (Array.isArray(entry) && entry[0] === '_CONSTANT_VALUE') return { value: entry[2] };
      return { ref: this.#ref(entry) };
    });
    const first = entries[0];
    const named = Array.isArray(first) ? Object.entries(object(first[3])) : [];
    return {
      args: args.length === 1 ? args : [{ list: args }],
      named: new Map(named.map(([key, value]) => [key, this.#argument(value, 0)])),
    };
  }

  #argument(value: unknown, depth: number): Argument {
    if (depth > limits.lists) throw this.#damaged(`lists in lists more than ${limits.lists} deep`);
    if (isLegacyRef(value)) return { ref: this.#ref(value) };
    if (Array.isArray(value)) {
      const list = value.map((item) => this.#argument(item, depth + 1));
      return list.some((item) => !('value' in item)) ? { list } : { value };
    }
    const { class_name: kind, config, items } = object(value);
    if (kind === '__keras_tensor__') return { ref: this.#ref(object(config).keras_history) };
    if (kind === '__tuple__' && Array.isArray(items)) return this.#argument(items, depth + 1);
    if (kind === '__tensor__' || kind === '__numpy__') return { value: object(config).value };
    return { value };
  }

  #ref(value: unknown): Ref {
    const [layer, call, output] = Array.isArray(value) ? value : [];
    if (!isText(layer) || !isIndex(call) || !isIndex(output))
      throw this.#damaged(`expected a layer's name, call and output, got ${quote(JSON.stringify(value) ?? 'nothing')}`);
    return { layer, call, output };
  }

  /** One, or a list of them, or a dictionary. */
  #refs(value: unknown): Ref[] {
    if (isLegacyRef(value)) return [this.#ref(value)];
    return Object.values(object(value)).map((ref) => this.#ref(ref));
  }

  #damaged(message: string): Error {
    return badWeights(this.source, `the configuration of the model is damaged (${message})`);
  }
}

/** Whether a class is the user's own, by the package that newer files keep with it. */
const isOwn = ({ module, registered_name: registered }: Json): boolean =>
  isText(module) ? !/^(keras|tf_keras|tensorflow|builtins)\b/.test(module) : isText(registered);

const ownName = ({ module, registered_name: registered, class_name: name }: Json): string =>
  isText(module) ? `${module}>${name}` : String(registered);

/** What a Sequential without an input layer gets: its first layer says so, or what it has been built for, or a model that comes first. */
function inputOf({ config, build_config: built }: Json, { build_input_shape: whole }: Json, depth = 0): unknown {
  const { batch_input_shape: two, batch_shape: three, layers } = object(config);
  const stated = two ?? three ?? whole ?? object(built).input_shape;
  if (stated !== undefined && stated !== null) return stated;
  const inner = Array.isArray(layers) && depth < limits.models ? layers[0] : undefined;
  return inner && inputOf(object(inner), object(config), depth + 1);
}

const isLegacyRef = (value: unknown): boolean =>
  Array.isArray(value) && value.length >= 3 && isText(value[0]) && isIndex(value[1]) && isIndex(value[2]);

const isIndex = (value: unknown): value is number => Number.isInteger(value) && (value as number) >= 0;

const isText = (value: unknown): value is string => typeof value === 'string';

/** Any JSON as an object; what is none has nothing in it. */
const object = (value: unknown): Json => (typeof value === 'object' && value !== null ? (value as Json) : {});
