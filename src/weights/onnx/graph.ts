import { AtrousCamError } from '../../base/errors.js';
import { type Graph, type HeadKind, type Node, weightShapes } from '../../graph/graph.js';
import { type Draft, simplify } from '../../graph/passes.js';
import { vectorTensor } from '../computed.js';
import { labelsOf } from '../label-lists.js';
import { type ByteSource, badWeights, quote } from '../source.js';
import type { Tensor } from '../types.js';
import { Call } from './call.js';
import { type OnnxModel, type OnnxNode, readOnnxFile } from './file.js';
import { type InputLayout, imageInput, inputLayouts } from './input.js';
import { kernelTensor } from './kernel.js';
import { dimsOf } from './layout.js';
import { lastOfModules } from './modules.js';
import { isBehindClasses, translate } from './operators.js';
import { answerOf } from './outputs.js';
import type { OpenSibling } from './siblings.js';
import { Translation } from './translation.js';
import { mapValue, tensorConstant, type Value } from './values.js';

export interface OnnxOptions {
  /** Side, or rows and columns, of the input; by default the file's, and 224 where it leaves them open. */
  inputSize?: number | readonly [number, number];
  /** The name of the output that has the classes, where there are several. */
  output?: string;
  /** How logits become probabilities where the file does not say; `softmax` by default, `sigmoid` for a single number. */
  head?: HeadKind;
  /** Opens a file beside the model, where the numbers of large models are. */
  openSibling?: OpenSibling;
}

/** A classifier of an ONNX file, understood whole. */
export interface OnnxNetwork {
  /** Where it comes from, for people. */
  readonly source: string;
  readonly graph: Graph;
  /** `${node.name}.kernel` and so on, as `weightShapes` says. */
  readonly tensors: ReadonlyMap<string, Tensor>;
  /** Names of the classes, where the file has them. */
  readonly labels?: readonly string[];
  /** What the file says about itself, by name. */
  readonly metadata: ReadonlyMap<string, string>;
  /** Closes the files beside the model. */
  close(): void;
}

/**
 * Reads an ONNX file as a graph. Whatever the outputs depend on must be understood; else it throws UNSUPPORTED or BAD_WEIGHTS with the
 * node's name, its operator and what to do. Kernels stay in the file until they are copied.
 */
export async function readOnnxGraph(source: ByteSource, options: OnnxOptions = {}): Promise<OnnxNetwork> {
  const model = await readOnnxFile(source, options.openSibling);
  try {
    return await understood(model, options);
  } catch (error) {
    model.close();
    throw error;
  }
}

async function understood(model: OnnxModel, options: OnnxOptions): Promise<OnnxNetwork> {
  const nodes = neededNodes(model);
  const readers = new Map<string, number>();
  for (const { inputs } of nodes) for (const name of inputs) readers.set(name, (readers.get(name) ?? 0) + 1);
  for (const { name } of model.outputs) readers.set(name, (readers.get(name) ?? 0) + 1);
  const input = imageInput(model, new Set(readers.keys()));
  const shared = new Set([...readers].flatMap(([name, count]) => (count > 1 ? [name] : [])));
  let error: unknown;
  for (const layout of inputLayouts(model, input, options.inputSize))
    try {
      return await withLayout(model, nodes, { name: input.name, layout, shared }, options);
    } catch (reason) {
      if (!(reason instanceof AtrousCamError)) throw reason;
      error ??= reason;
    }
  throw error;
}

/** The nodes that the outputs depend on, in the file's order. */
function neededNodes({ source, nodes, outputs, initializers, inputs }: OnnxModel): OnnxNode[] {
  const makers = new Map<string, OnnxNode>();
  const given = new Set([...initializers.keys(), ...inputs.map(({ name }) => name)]);
  for (const node of nodes)
    for (const name of node.outputs) {
      if (name === '') continue;
      if (makers.has(name) || given.has(name))
        throw badWeights(source, `ONNX: two nodes give the value ${quote(name)}`);
      makers.set(name, node);
    }
  const needed = new Set<OnnxNode>();
  const waiting = outputs.map(({ name }) => name);
  for (let name = waiting.pop(); name !== undefined; name = waiting.pop()) {
    const node = makers.get(name);
    if (!node || needed.has(node)) continue;
    needed.add(node);
    waiting.push(...node.inputs);
  }
  return nodes.filter((node) => needed.has(node));
}

interface Input {
  readonly name: string;
  readonly layout: InputLayout;
  readonly shared: ReadonlySet<string>;
}

async function withLayout(
  model: OnnxModel,
  nodes: readonly OnnxNode[],
  { name, layout, shared }: Input,
  options: OnnxOptions,
): Promise<OnnxNetwork> {
  const { source, opset, functions, initializers, metadata } = model;
  const { order, pictures, h, w, c: channels } = layout;
  const isHalf = [...initializers.values()].some(({ dtype }) => dtype === 'F16' || dtype === 'BF16');
  const to = new Translation(source, opset, pictures, isHalf ? 2e-3 : 1e-5, shared, functions);
  const values = new Map<string, Value>();
  const input = to.input({ h, w, c: channels }, name);
  values.set(name, mapValue(input, dimsOf(to.shape(input), order, pictures)));
  for (const [of, tensor] of initializers) values.set(of, tensorConstant(tensor));
  for (const node of nodes)
    for (const [i, value] of (await outputsOf(to, node, values)).entries())
      if (node.outputs[i]) values.set(node.outputs[i], value);
  const outputs = model.outputs.map((output) => ({ name: output.name, value: values.get(output.name) }));
  const { logits, head } = answerOf(to, outputs, options.output);
  const { c } = to.shape(logits);
  const graph = { nodes: to.nodes, logits, head: head ?? options.head ?? (c === 1 ? 'sigmoid' : 'softmax') };
  const made = named(simplify({ graph, vectors: to.vectors }), to);
  const labels = labelsOf(metadata, c === 1 ? 2 : c);
  return { source, ...made, ...(labels && { labels }), metadata, close: () => model.close() };
}

/** The values that a node gives, or for each why there is none. */
async function outputsOf(to: Translation, node: OnnxNode, values: ReadonlyMap<string, Value>): Promise<Value[]> {
  const inputs = node.inputs.map((name) => values.get(name));
  const call = new Call(to, node, inputs);
  const failed = (error: Error, behind?: Value): Value[] =>
    node.outputs.map(() => ({ kind: 'failure', error, behind }));
  const before = inputs.find((value) => value?.kind === 'failure');
  if (before) return node.outputs.map(() => before);
  const missing = node.inputs.findIndex((name, i) => name !== '' && !inputs[i]);
  if (missing >= 0) return failed(call.bad(`it reads ${quote(node.inputs[missing])}, which nothing before it gives`));
  try {
    const made = await translate(call);
    const error = () => call.refuse(`its output ${made.length + 1} is not understood`);
    return node.outputs.map((_, i): Value => made[i] ?? { kind: 'failure', error: error() });
  } catch (error) {
    if (!(error instanceof AtrousCamError)) throw error;
    return failed(labelled(call, error), isBehindClasses(node.operator) ? inputs[0] : undefined);
  }
}

/** An error of the graph's own checks, which do not know the file, with the file's name of the node. */
function labelled(call: Call, error: AtrousCamError): AtrousCamError {
  const [, what] = /^node "(?:[^"\\]|\\.)*": (.*)$/s.exec(error.message) ?? [];
  return what === undefined ? error : call.bad(what);
}

/** The graph with names that people use, and its weights under them. */
function named(draft: Draft, to: Translation): Pick<OnnxNetwork, 'graph' | 'tensors'> {
  const nodes = lastOfModules(draft.graph.nodes, to.modules);
  const taken = new Set(nodes.map(({ name }) => name));
  const tensors = new Map<string, Tensor>();
  const renamed = nodes.map((node): Node => {
    const path = node.aliases.find((alias) => to.modules.has(alias) && !taken.has(alias));
    if (path === undefined) return node;
    taken.add(path);
    return { ...node, name: path, aliases: [node.name, ...node.aliases.filter((alias) => alias !== path)] };
  });
  const graph = { ...draft.graph, nodes: renamed };
  for (const [id, node] of renamed.entries()) {
    const { name } = nodes[id];
    const vectors = draft.vectors.get(name) ?? {};
    for (const [key, shape] of Object.entries(weightShapes(graph, node)))
      tensors.set(
        `${node.name}.${key}`,
        key === 'kernel'
          ? kernelTensor(to.source, to.kernels.get(name)!, shape, vectors.factor)
          : vectorTensor(to.source, `${node.name}.${key}`, vectors[key as 'bias' | 'scale' | 'shift' | 'slope']!),
      );
  }
  return { graph, tensors };
}
