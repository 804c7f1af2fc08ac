import type { NetworkWeights } from './weights/types.js';

/** A 3x3 convolution with ReLU. */
export interface ConvLayer {
  readonly name: string;
  /** Index of its block; its rate in `dilated` and `atrous` is 2 to this power. */
  readonly block: number;
  readonly cin: number;
  readonly cout: number;
}

export interface DenseLayer {
  readonly name: string;
  readonly in: number;
  readonly out: number;
}

/** A network of VGG's family as data: blocks of convolutions with a 2x2 pool after each, then dense layers with ReLU between them. */
export interface Topology {
  /** Side of the square RGB input. */
  readonly inputSize: number;
  readonly blocks: readonly (readonly ConvLayer[])[];
  readonly dense: readonly DenseLayer[];
}

/** The topology that the shapes of the weights state. */
export function readTopology(weights: NetworkWeights): Topology {
  return {
    inputSize: weights.inputSize,
    blocks: weights.blocks.map((convs, block) =>
      convs.map(({ name, kernel }) => ({ name, block, cin: kernel.shape[2], cout: kernel.shape[3] })),
    ),
    dense: weights.dense.map(({ name, kernel }) => ({ name, in: kernel.shape[0], out: kernel.shape[1] })),
  };
}

/** The rate of the last block: the output stride of the pooled network (16 for VGG16). */
export const pooledStride = (topology: Topology): number => 2 ** (topology.blocks.length - 1);

/** Channels of the last convolution. */
export const lastChannels = (topology: Topology): number => topology.blocks.at(-1)!.at(-1)!.cout;

/** Rows (and columns) of the pooled map that the first dense layer sees: 7 for VGG16. */
export const headCells = (topology: Topology): number => topology.inputSize / (2 * pooledStride(topology));

export const convParameters = (layer: ConvLayer): number => 9 * layer.cin * layer.cout + layer.cout;

export const denseParameters = (layer: DenseLayer): number => layer.in * layer.out + layer.out;
