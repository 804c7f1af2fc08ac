import { sizeFrom } from '../base/shape.js';
import { type Graph, type Node, weightShapes } from '../graph/graph.js';
import type { Sums } from '../operators/operator.js';
import type { Arena } from '../wasm/arena.js';

/** Where the gradients of a node's weights are summed. */
export interface WeightSum {
  /** Addresses by part. */
  readonly at: Sums;
  /** Whether something was added already; else the first addition overwrites. */
  begun: boolean;
}

/** The gradients of a node's weights by part, copied out of the wasm memory. */
export type WeightGradient = Record<string, { shape: number[]; data: Float32Array }>;

/** The gradients of all weights of a network, in the wasm memory. */
export class WeightSums {
  readonly #sums = new Map<string, WeightSum>();

  constructor(
    readonly arena: Arena,
    readonly graph: Graph,
  ) {
    for (const [node, shapes] of trained(graph)) {
      const at = Object.fromEntries(shapes.map(([part, shape]) => [part, arena.alloc(4 * sizeFrom(shape))]));
      this.#sums.set(node.name, { at, begun: false });
    }
  }

  /** Bytes that they take. */
  static bytes = (graph: Graph): number =>
    trained(graph).reduce(
      (sum, [, shapes]) => sum + shapes.reduce((bytes, [, shape]) => bytes + 4 * sizeFrom(shape) + 64, 0),
      0,
    );

  of({ name }: Node): WeightSum {
    return this.#sums.get(name)!;
  }

  /** All of them, copied, by node. */
  read(): Map<string, WeightGradient> {
    return new Map(
      trained(this.graph).map(([node, shapes]) => {
        const { at } = this.of(node);
        const copy = (part: string, shape: readonly number[]) => ({
          shape: [...shape],
          data: this.arena.f32(at[part], sizeFrom(shape)).slice(),
        });
        return [node.name, Object.fromEntries(shapes.map(([part, shape]) => [part, copy(part, shape)]))];
      }),
    );
  }
}

/** The nodes that have weights, with the weights' names and shapes. */
const trained = (graph: Graph): [Node, [string, readonly number[]][]][] =>
  graph.nodes
    .map((node): [Node, [string, readonly number[]][]] => [node, Object.entries(weightShapes(graph, node))])
    .filter(([, shapes]) => shapes.length > 0);
