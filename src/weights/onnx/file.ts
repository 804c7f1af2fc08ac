import { AtrousCamError } from '../../base/errors.js';
import { type Field, ProtobufReader } from '../protobuf.js';
import { type ByteSource, badWeights, quote } from '../source.js';
import { type ElementType, elementTypes, type OnnxTensor, readTensor } from './data.js';
import { type OpenSibling, Siblings } from './siblings.js';

/** What an ONNX file says: the operations, where their weights lie, and what goes in and out. Nothing of it is understood yet. */
export interface OnnxModel {
  /** The file, for messages. */
  readonly source: string;
  /** Version of the operators' definitions. */
  readonly opset: number;
  readonly metadata: ReadonlyMap<string, string>;
  readonly nodes: readonly OnnxNode[];
  readonly initializers: ReadonlyMap<string, OnnxTensor>;
  /** Inputs that are no weights. */
  readonly inputs: readonly OnnxValue[];
  readonly outputs: readonly OnnxValue[];
  /** Names of functions that the file defines by itself. */
  readonly functions: ReadonlySet<string>;
  /** Closes the files beside the model. */
  close(): void;
}

export interface OnnxNode {
  readonly name: string;
  readonly operator: string;
  /** Empty for ONNX' own operators. */
  readonly domain: string;
  /** Names of values; an optional one that is not given is empty. */
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attributes: ReadonlyMap<string, Attribute>;
  /** Path of the PyTorch module that the operation comes from, where the exporter wrote it down. */
  readonly module?: string;
}

/** What no operator that is read has, such as a graph, is `unread`. */
export type Attribute = number | readonly number[] | string | OnnxTensor | { readonly unread: string };

/** Input or output of the graph. */
export interface OnnxValue {
  readonly name: string;
  readonly dtype?: ElementType;
  /** Sizes, -1 where the file leaves one open; nothing where it is no tensor or says nothing. */
  readonly shape?: readonly number[];
}

/**
 * Field numbers, from onnx.proto (https://github.com/onnx/onnx/blob/main/onnx/onnx.proto). Those under `skip` say nothing about
 * what the network computes; all others are unknown, and a file that has one is refused.
 */
const model = { ir: 1, graph: 7, opset: 8, metadata: 14, functions: 25, skip: [2, 3, 4, 5, 6, 20, 26] };
const graph = { node: 1, initializer: 5, input: 11, output: 12, skip: [2, 10, 13, 14, 16] };
const node = { input: 1, output: 2, name: 3, operator: 4, attribute: 5, domain: 7, metadata: 9, skip: [6, 8, 10] };
const attribute = { name: 1, float: 2, int: 3, text: 4, tensor: 5, floats: 7, ints: 8, type: 20, skip: [13] };
const value = { name: 1, type: 2, tensor: 1, element: 1, shape: 2, dim: 1, size: 1 };

const mostNodes = 20_000;
const mostTensors = 20_000;
const mostInputs = 4096;
const mostOutputs = 256;
const mostNumbers = 65_536;

const irs = [3, 13];
const opsets = [7, 23];

/** Reads an ONNX file's graph; of the weights only names, shapes and places. Throws BAD_WEIGHTS, and UNSUPPORTED for versions that are not known. */
export async function readOnnxFile(source: ByteSource, openSibling?: OpenSibling): Promise<OnnxModel> {
  const siblings = new Siblings(source.name, openSibling);
  try {
    return await new FileReader(source, siblings).model();
  } catch (error) {
    siblings.close();
    throw error;
  }
}

class FileReader {
  readonly #reader: ProtobufReader;

  constructor(
    private readonly source: ByteSource,
    private readonly siblings: Siblings,
  ) {
    this.#reader = new ProtobufReader(source);
  }

  async model(): Promise<OnnxModel> {
    const reader = this.#reader;
    const metadata = new Map<string, string>();
    const functions = new Set<string>();
    let [ir, opset] = [0, 0];
    let read: Pick<OnnxModel, 'nodes' | 'initializers' | 'inputs' | 'outputs'> | undefined;
    for await (const field of reader.fields(0, this.source.size)) {
      if (field.number === model.ir) ir = field.value;
      else if (field.number === model.graph && !read) read = await this.#graph(field);
      else if (field.number === model.opset) {
        const { domain, version } = await this.#opset(field);
        if (domain === '' || domain === 'ai.onnx') opset = version;
      } else if (field.number === model.metadata && metadata.size < 1000) metadata.set(...(await reader.entry(field)));
      else if (field.number === model.functions && functions.size < mostNodes)
        functions.add(await this.#firstText(field));
      else if (!model.skip.includes(field.number)) throw this.#unknown('model', field);
    }
    if (!read || read.nodes.length === 0) throw this.#bad('expected a model with a graph, got none');
    this.#checkVersion('IR version', ir, irs, 'export the model anew');
    this.#checkVersion('operator set', opset, opsets, 'convert the model with onnx.version_converter');
    const { source, siblings } = this;
    return { ...read, source: source.name, opset, metadata, functions, close: () => siblings.close() };
  }

  #checkVersion(what: string, version: number, [first, last]: readonly number[], advice: string): void {
    if (version < first || version > last)
      throw new AtrousCamError(
        'UNSUPPORTED',
        `weights ${quote(this.source.name)}: ONNX: expected ${what} ${first} to ${last}, got ${version || 'none'}; ${advice}`,
      );
  }

  async #opset({ offset, size }: Field): Promise<{ domain: string; version: number }> {
    let [domain, version] = ['', 0];
    for await (const field of this.#reader.fields(offset, offset + size)) {
      if (field.number === 1) domain = await this.#reader.text(field);
      else if (field.number === 2) version = field.value;
    }
    return { domain, version };
  }

  async #graph({ offset, size }: Field) {
    const nodes: OnnxNode[] = [];
    const initializers = new Map<string, OnnxTensor>();
    const [inputs, outputs]: OnnxValue[][] = [[], []];
    for await (const field of this.#reader.fields(offset, offset + size)) {
      const { number } = field;
      if (number === graph.node) nodes.push(await this.#node(field));
      else if (number === graph.initializer) {
        const tensor = await readTensor(this.#reader, field, this.siblings);
        if (initializers.has(tensor.name)) throw this.#bad(`the tensor ${quote(tensor.name)} stands twice`);
        initializers.set(tensor.name, tensor);
      } else if (number === graph.input) inputs.push(await this.#value(field));
      else if (number === graph.output) outputs.push(await this.#value(field));
      else if (!graph.skip.includes(number)) throw this.#unknown('graph', field);
      if (outputs.length > mostOutputs) throw this.#bad(`expected at most ${mostOutputs} outputs, got more`);
      if (Math.max(nodes.length, inputs.length) > mostNodes || initializers.size > mostTensors)
        throw this.#bad(`expected at most ${mostNodes} nodes and ${mostTensors} tensors, got more`);
    }
    return { nodes, initializers, inputs: inputs.filter(({ name }) => !initializers.has(name)), outputs };
  }

  async #node({ offset, size }: Field): Promise<OnnxNode> {
    const reader = this.#reader;
    const [inputs, outputs]: string[][] = [[], []];
    const attributes = new Map<string, Attribute>();
    let [name, operator, domain] = ['', '', ''];
    let module: string | undefined;
    for await (const field of reader.fields(offset, offset + size)) {
      const { number } = field;
      if (number === node.input) inputs.push(await reader.text(field));
      else if (number === node.output) outputs.push(await reader.text(field));
      else if (number === node.name) name = await reader.text(field);
      else if (number === node.operator) operator = await reader.text(field);
      else if (number === node.domain) domain = await reader.text(field);
      else if (number === node.attribute) {
        const [key, read] = await this.#attribute(field);
        if (attributes.has(key)) throw this.#bad(`node ${quote(name)}: the attribute ${quote(key)} stands twice`);
        attributes.set(key, read);
      } else if (number === node.metadata) {
        const [key, text] = await reader.entry(field);
        if (key === 'pkg.torch.onnx.name_scopes') module = innermostScope(text);
      } else if (!node.skip.includes(number)) throw this.#unknown('node', field);
      if (inputs.length + outputs.length + attributes.size > mostInputs)
        throw this.#bad(`node ${quote(name)}: expected at most ${mostInputs} inputs, outputs and attributes`);
    }
    return { name, operator, domain: domain === 'ai.onnx' ? '' : domain, inputs, outputs, attributes, module };
  }

  async #attribute({ offset, size }: Field): Promise<[string, Attribute]> {
    const reader = this.#reader;
    const numbers: number[] = [];
    let [name, type, text] = ['', 0, ''];
    let tensor: OnnxTensor | undefined;
    let other = 0;
    for await (const field of reader.fields(offset, offset + size)) {
      const { number } = field;
      if (number === attribute.name) name = await reader.text(field);
      else if (number === attribute.type) type = field.value;
      else if (number === attribute.int || number === attribute.ints)
        numbers.push(...(await reader.numbers(field, mostNumbers)));
      else if (number === attribute.float || number === attribute.floats)
        numbers.push(...(await reader.floats(field, mostNumbers)));
      else if (number === attribute.text) text = await reader.text(field);
      else if (number === attribute.tensor) tensor = await readTensor(reader, field, this.siblings);
      else if (!attribute.skip.includes(number)) other = number;
      if (numbers.length > mostNumbers) throw this.#bad(`the attribute ${quote(name)} has too many numbers`);
    }
    // AttributeProto.AttributeType; a number that is 0 need not be there
    if (other > 0) return [name, { unread: `ONNX field ${other}` }];
    if (type === 1 || type === 2) return [name, numbers[0] ?? 0];
    if (type === 3) return [name, text];
    if (type === 6 || type === 7) return [name, numbers];
    return [name, tensor && type === 4 ? tensor : { unread: `ONNX attribute type ${type}` }];
  }

  /** A ValueInfoProto: a name, and an element type and sizes where it is a tensor. */
  async #value({ offset, size }: Field): Promise<OnnxValue> {
    const reader = this.#reader;
    const inside = (field: Field) => reader.fields(field.offset, field.offset + field.size);
    let [name, element] = ['', 0];
    let shape: number[] | undefined;
    for await (const field of reader.fields(offset, offset + size)) {
      if (field.number === value.name) name = await reader.text(field);
      if (field.number !== value.type || field.wire !== 2) continue;
      for await (const type of inside(field)) {
        if (type.number !== value.tensor || type.wire !== 2) continue;
        for await (const about of inside(type)) {
          if (about.number === value.element) element = about.value;
          if (about.number !== value.shape || about.wire !== 2) continue;
          shape = [];
          for await (const dim of inside(about)) if (dim.number === value.dim) shape.push(await this.#dimension(dim));
          if (shape.length > 16) throw this.#bad(`${quote(name)} has more than 16 dimensions`);
        }
      }
    }
    return { name, dtype: elementTypes.get(element), shape };
  }

  /** A size, or -1 where it is open. */
  async #dimension({ offset, size }: Field): Promise<number> {
    let side = -1;
    for await (const field of this.#reader.fields(offset, offset + size))
      if (field.number === value.size && field.wire === 0 && field.value > 0) side = field.value;
    return side;
  }

  async #firstText({ offset, size }: Field): Promise<string> {
    for await (const field of this.#reader.fields(offset, offset + size))
      if (field.number === 1) return this.#reader.text(field);
    return '';
  }

  #unknown(message: string, { number }: Field): Error {
    return this.#bad(`field ${number} of a ${message} is not known; export the model by an older version of ONNX`);
  }

  #bad(message: string): Error {
    return badWeights(this.source.name, `ONNX: ${message}`);
  }
}

/** `layer4.2.conv3` of `['', 'layer4', 'layer4.2', 'layer4.2.conv3', 'conv2d_52']`, as PyTorch's exporter notes it. */
function innermostScope(list: string): string | undefined {
  const scopes = [...list.matchAll(/'([^']*)'/g)].map(([, scope]) => scope);
  return scopes.at(-2) || undefined;
}
