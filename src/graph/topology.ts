import { AtrousCamError } from '../base/errors.js';
import type { Mode } from '../base/types.js';
import type { ChainWeights, ConvWeights } from '../weights/types.js';

/** A 3x3 convolution with ReLU. */
export interface ConvLayer {
  readonly name: string;
  /** Index of its block (of the last one for a degridding layer); its rate in `dilated` and `atrous` is 2 to this power. */
  readonly block: number;
  readonly cin: number;
  readonly cout: number;
}

/** A 3x3 convolution with ReLU behind the last block of the dilated network, as wide as that (DRN-C: Yu et al. 2017). */
export interface DegriddingLayer extends ConvLayer {
  readonly rate: number;
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
  /** Degridding layers, where there are any: then the network is a dilated one and has no other mode. */
  readonly degridding?: readonly DegriddingLayer[];
  readonly dense: readonly DenseLayer[];
}

/** The topology that the shapes of the weights state. */
export function readTopology(weights: ChainWeights): Topology {
  const conv = ({ name, kernel }: ConvWeights, block: number): ConvLayer => {
    const [, , cin, cout] = kernel.shape;
    return { name, block, cin, cout };
  };
  const { degridding, blocks } = weights;
  return {
    inputSize: weights.inputSize,
    blocks: blocks.map((convs, block) => convs.map((layer) => conv(layer, block))),
    ...(degridding && {
      degridding: degridding.map((layer) => ({ ...conv(layer, blocks.length - 1), rate: layer.rate })),
    }),
    dense: weights.dense.map(({ name, kernel }) => ({ name, in: kernel.shape[0], out: kernel.shape[1] })),
  };
}

/** All convolutions in order, the degridding layers last. */
export const convLayers = ({ blocks, degridding = [] }: Topology): ConvLayer[] => [...blocks.flat(), ...degridding];

/** Throws UNSUPPORTED for a mode that the network does not have. */
export function requireMode({ degridding }: Topology, mode: Mode): void {
  if (degridding && mode !== 'dilated')
    throw new AtrousCamError(
      'UNSUPPORTED',
      `mode '${mode}': these weights end in degridding layers, which were trained in the dilated network and have no other; use mode 'dilated'`,
    );
}

/** The mode of the network's own answer, whose top class is explained by default. */
export const ownMode = ({ degridding }: Topology): Mode => (degridding ? 'dilated' : 'pooled');

/** The rate of the last block: the output stride of the pooled network (16 for VGG16). */
export const pooledStride = (topology: Topology): number => 2 ** (topology.blocks.length - 1);

/** Channels of the last convolution. */
export const lastChannels = (topology: Topology): number => topology.blocks.at(-1)!.at(-1)!.cout;

/** Rows (and columns) of the pooled map that the first dense layer sees: 7 for VGG16. */
export const headCells = (topology: Topology): number => topology.inputSize / (2 * pooledStride(topology));
