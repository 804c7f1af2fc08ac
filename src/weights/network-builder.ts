import { GraphBuilder, type Names, type WindowOptions } from '../graph/builder.js';
import { type Activation, type Graph, type HeadKind, type NodeId, type Shape, weightShapes } from '../graph/graph.js';
import { simplify, type Vectors } from '../graph/passes.js';
import { type Affine, type Numbers, numbersOf, reshaped, scaledColumns, vectorTensor } from './computed.js';
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
  readonly bias?: Tensor | Numbers;
}

/** Builds a graph together with its weights. Kernels stay in the file until they are copied, vectors until all nodes are there. */
export class NetworkBuilder {
  readonly builder = new GraphBuilder();
  readonly #kernels = new Map<string, Tensor>();
  readonly #vectors = new Map<string, Partial<Record<keyof Vectors, Numbers>>>();
  /** Affine nodes that have the same numbers for all channels. */
  readonly #uniform = new Map<NodeId, Uniform>();

  /** @param source the file, for messages */
  constructor(readonly source: string) {}

  shape(id: NodeId): Shape {
    return this.builder.shape(id);
  }

  /** Kernel (rows, columns, cin / groups, cout). */
  conv(
    x: NodeId,
    weights: KernelAndBias,
    options: Omit<WindowOptions, 'size'> & { groups?: number },
    names: Names,
  ): NodeId {
    const [rows, columns, cin, cout] = weights.kernel.shape;
    const id = this.builder.conv(x, cout, { ...options, size: [rows, columns] }, names);
    const isDense = this.builder.nodes[id].op === 'dense'; // as one tap on a vector is
    this.#weighted(names.name, isDense ? { ...weights, kernel: reshaped(weights.kernel, [cin, cout]) } : weights);
    return id;
  }

  /** Kernel (in, out). */
  dense(x: NodeId, weights: KernelAndBias, names: Names): NodeId {
    this.#weighted(names.name, weights);
    return this.builder.dense(x, weights.kernel.shape[1], names);
  }

  affine(x: NodeId, { scale, shift, uniform }: Affine, names: Names): NodeId {
    this.#vectors.set(names.name, { scale, shift });
    const id = this.builder.affine(x, names);
    if (uniform) this.#uniform.set(id, uniform);
    return id;
  }

  layerNorm(x: NodeId, epsilon: number, { scale, shift }: Affine, names: Names): NodeId {
    this.#vectors.set(names.name, { scale, shift });
    return this.builder.layerNorm(x, epsilon, names);
  }

  activation(x: NodeId, activation: Activation, names: Names, slope?: Tensor): NodeId {
    if (slope) this.#vectors.set(names.name, { slope: numbersOf(this.source, slope) });
    return this.builder.activation(x, activation, names);
  }

  /** The scale and the shift of an affine node that has the same for all channels, where they are known. */
  uniformOf(id: NodeId): Uniform | undefined {
    return this.#uniform.get(id);
  }

  /** The finished network: simplified, and every weight's shape checked. */
  async finish(logits: NodeId, head: HeadKind): Promise<GraphAndTensors> {
    const vectors = new Map<string, Vectors>();
    for (const [name, all] of this.#vectors) {
      const read = Object.entries(all).map(async ([what, numbers]) => [what, await numbers()] as const);
      vectors.set(name, Object.fromEntries(await Promise.all(read)));
    }
    const simple = simplify({ graph: this.builder.finish(logits, head), vectors });
    const tensors = new Map<string, Tensor>();
    for (const node of simple.graph.nodes)
      for (const [what, shape] of Object.entries(weightShapes(simple.graph, node))) {
        const name = `${node.name}.${what}`;
        tensors.set(name, this.#checked(this.#tensor(node.name, what, shape, simple.vectors), shape));
      }
    return { graph: simple.graph, tensors };
  }

  #weighted(name: string, { kernel, bias }: KernelAndBias): void {
    this.#kernels.set(name, kernel);
    if (bias) this.#vectors.set(name, { bias: typeof bias === 'function' ? bias : numbersOf(this.source, bias) });
  }

  #tensor(node: string, what: string, [size]: readonly number[], vectors: ReadonlyMap<string, Vectors>): Tensor {
    const of = vectors.get(node) ?? {};
    const kernel = this.#kernels.get(node);
    if (what === 'kernel' && kernel) return of.factor ? scaledColumns(this.source, kernel, of.factor) : kernel;
    return vectorTensor(this.source, `${node}.${what}`, of[what as keyof Vectors] ?? new Float64Array(size));
  }

  #checked(tensor: Tensor, shape: readonly number[]): Tensor {
    if (tensor.shape.length === shape.length && tensor.shape.every((side, i) => side === shape[i])) return tensor;
    throw badWeights(
      this.source,
      `tensor ${quote(tensor.name)}: expected shape [${shape.join(', ')}], got [${tensor.shape.join(', ')}]`,
    );
  }
}

/** The same scale and shift for all channels. */
export interface Uniform {
  readonly scale: number;
  readonly shift: number;
}
