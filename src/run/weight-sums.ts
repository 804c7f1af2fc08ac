import { sizeFrom } from '../base/shape.js';
import { type ConvLayer, convLayers, type DenseLayer, type Topology } from '../graph/topology.js';
import type { Arena } from '../wasm/arena.js';

/** Where a layer's gradients are summed: kernel (3, 3, cin, cout) or (in, out), bias (cout) or (out). */
export interface WeightSum {
  readonly kernel: number;
  readonly bias: number;
  /** Whether something was added already; else the first addition overwrites. */
  begun: boolean;
}

/** A layer's gradients, copied out of the wasm memory. */
export interface WeightGradient {
  readonly shape: number[];
  readonly kernel: Float32Array;
  readonly bias: Float32Array;
}

/** The gradients of all weights of a network, in the wasm memory. */
export class WeightSums {
  readonly #sums = new Map<string, WeightSum>();

  constructor(
    readonly arena: Arena,
    readonly topology: Topology,
  ) {
    for (const { name, shape } of shapes(topology))
      this.#sums.set(name, {
        kernel: arena.alloc(4 * sizeFrom(shape)),
        bias: arena.alloc(4 * shape.at(-1)!),
        begun: false,
      });
  }

  /** Bytes that they take. */
  static bytes = (topology: Topology): number =>
    shapes(topology).reduce((sum, { shape }) => sum + 4 * (sizeFrom(shape) + shape.at(-1)!) + 128, 0);

  of({ name }: ConvLayer | DenseLayer): WeightSum {
    return this.#sums.get(name)!;
  }

  /** All of them, copied, by layer. */
  read(): Map<string, WeightGradient> {
    const copy = (ptr: number, length: number) => this.arena.f32(ptr, length).slice();
    return new Map(
      shapes(this.topology).map(({ name, shape }) => {
        const { kernel, bias } = this.#sums.get(name)!;
        return [name, { shape, kernel: copy(kernel, sizeFrom(shape)), bias: copy(bias, shape.at(-1)!) }];
      }),
    );
  }
}

const shapes = (topology: Topology): { name: string; shape: number[] }[] => [
  ...convLayers(topology).map(({ name, cin, cout }) => ({ name, shape: [3, 3, cin, cout] })),
  ...topology.dense.map((layer) => ({ name: layer.name, shape: [layer.in, layer.out] })),
];
