import { GraphBuilder, type Names, type WindowOptions } from '../graph/builder.js';
import { type Activation, type Graph, type HeadKind, type Node, type NodeId, weightShapes } from '../graph/graph.js';
import { readersOf } from '../graph/names.js';
import { foldPads } from '../graph/pads.js';
import { replacement, withoutNodes } from '../graph/rewrite.js';
import {
  type Affine,
  combined,
  composed,
  computedVector,
  type Numbers,
  numbersOf,
  repeated,
  scaledColumns,
} from './computed.js';
import { badWeights, quote } from './source.js';
import type { Tensor } from './types.js';

/** A network as a file states it: its operations, and the numbers of its weights by the names that weightShapes() gives. */
export interface GraphAndTensors {
  readonly graph: Graph;
  readonly tensors: ReadonlyMap<string, Tensor>;
}

/** The weights of a convolution or a dense layer; without a bias that is 0. */
export interface KernelAndBias {
  readonly kernel: Tensor;
  readonly bias?: Tensor;
}

/** A graph that is being read from a file, together with its weights. */
export class Draft {
  readonly builder = new GraphBuilder();
  readonly #tensors = new Map<string, Tensor>();
  readonly #affines = new Map<NodeId, Affine>();

  /** @param source the file, for messages */
  constructor(readonly source: string) {}

  shape(id: NodeId) {
    return this.builder.shape(id);
  }

  /** Kernel (rows, columns, cin / groups, cout). */
  conv(
    x: NodeId,
    { kernel, bias }: KernelAndBias,
    options: Omit<WindowOptions, 'size'> & { groups?: number },
    names: Names,
  ): NodeId {
    const [rows, columns, , cout] = kernel.shape;
    return this.#weighted(this.builder.conv(x, cout, { ...options, size: [rows, columns] }, names), kernel, bias);
  }

  /** Kernel (in, out). */
  dense(x: NodeId, { kernel, bias }: KernelAndBias, names: Names): NodeId {
    return this.#weighted(this.builder.dense(x, kernel.shape[1], names), kernel, bias);
  }

  affine(x: NodeId, affine: Affine, names: Names): NodeId {
    const id = this.builder.affine(x, names);
    this.#affines.set(id, affine);
    return id;
  }

  layerNorm(x: NodeId, epsilon: number, { scale, shift }: Affine, names: Names): NodeId {
    const id = this.builder.layerNorm(x, epsilon, names);
    this.#vector(id, 'scale', scale);
    this.#vector(id, 'shift', shift);
    return id;
  }

  activation(x: NodeId, activation: Activation, names: Names, slope?: Tensor): NodeId {
    const id = this.builder.activation(x, activation, names);
    if (slope) this.#tensors.set(`${names.name}.slope`, slope);
    return id;
  }

  /** The finished network: normalizations folded backward, paddings forward, and every weight's shape checked. */
  finish(logits: NodeId, head: HeadKind): GraphAndTensors {
    const graph = foldPads(this.#foldAffines(this.builder.finish(logits, head)));
    const tensors = new Map<string, Tensor>();
    for (const node of graph.nodes)
      for (const [what, shape] of Object.entries(weightShapes(graph, node))) {
        const name = `${node.name}.${what}`;
        const tensor = this.#tensors.get(name)!;
        if (tensor.shape.length !== shape.length || tensor.shape.some((side, i) => side !== shape[i]))
          throw badWeights(
            this.source,
            `tensor ${quote(tensor.name)}: expected shape [${shape.join(', ')}], got [${tensor.shape.join(', ')}]`,
          );
        tensors.set(name, tensor);
      }
    return { graph, tensors };
  }

  #weighted(id: NodeId, kernel: Tensor, bias: Tensor | undefined): NodeId {
    const { name, shape } = this.builder.nodes[id];
    this.#tensors.set(`${name}.kernel`, kernel);
    if (bias) this.#tensors.set(`${name}.bias`, bias);
    else this.#vector(id, 'bias', repeated(0, shape.c));
    return id;
  }

  #vector(id: NodeId, what: string, numbers: Numbers): void {
    const name = `${this.builder.nodes[id].name}.${what}`;
    this.#tensors.set(name, computedVector(this.source, name, this.shape(id).c, numbers));
  }

  /** An affine node that is the only reader of a convolution, a dense layer or another affine node becomes part of that. */
  #foldAffines(graph: Graph): Graph {
    const readers = readersOf(graph);
    const into = new Map<NodeId, NodeId>();
    const changed = new Map<NodeId, Node>();
    const folded = new Map<NodeId, Affine>();
    for (const [id, affine] of this.#affines) {
      const [x] = graph.nodes[id].from;
      const at = replacement(into, x);
      const node = changed.get(at) ?? graph.nodes[at];
      if (readers[x].length > 1 || x === graph.logits || !['conv', 'dense', 'affine'].includes(node.op)) continue;
      const all = node.op === 'affine' ? this.#affines : folded;
      const before = all.get(at);
      all.set(at, before ? composed(before, affine) : affine);
      const { name, aliases } = graph.nodes[id];
      changed.set(at, { ...node, aliases: [...node.aliases, name, ...aliases] });
      into.set(id, at);
    }
    for (const [id, affine] of folded) this.#scaleOutput(id, affine);
    for (const [id, { scale, shift }] of this.#affines) {
      if (into.has(id)) continue;
      this.#vector(id, 'scale', scale);
      this.#vector(id, 'shift', shift);
    }
    return withoutNodes(graph, into, changed);
  }

  /** In float64, rounded once. */
  #scaleOutput(id: NodeId, { scale, shift }: Affine): void {
    const { name } = this.builder.nodes[id];
    const [kernel, bias] = ['kernel', 'bias'].map((what) => this.#tensors.get(`${name}.${what}`)!);
    this.#tensors.set(`${name}.kernel`, scaledColumns(this.source, kernel, scale));
    this.#vector(
      id,
      'bias',
      combined([numbersOf(bias), scale, shift], ([b, a, c]) => b * a + c),
    );
  }
}
