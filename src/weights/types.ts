import type { Preprocessing } from '../base/types.js';
import type { Graph } from '../graph/graph.js';
import type { Labels } from './label-lists.js';

/** What the caller, or the list of published weights, says beside a file. */
export interface ReaderOptions {
  /** Replaces single fields of what belongs to the file. */
  preprocessing?: Partial<Preprocessing>;
  /** Names of the classes instead of the file's. */
  labels?: Labels;
  /** Of the weights that are published under the name that was given. */
  published?: Preprocessing;
}

export type OnBlock = (elements: number) => void | Promise<void>;

/** One array of a weight file, already known to have the right shape; its numbers are read only when asked for. */
export interface Tensor {
  /** The tensor's name in the file it comes from, for messages. */
  readonly name: string;
  /** Shape in the layout stated by the field that holds the tensor, whatever the file's own layout is. */
  readonly shape: readonly number[];
  /**
   * Writes all elements, in that layout, to `target` (`target.length` = the product of `shape`), reading the file in bounded
   * blocks. Throws AtrousCamError BAD_WEIGHTS where an element is not finite. `target` may lie in a WebAssembly memory
   * that does not grow meanwhile. `onBlock` hears of each block's number of elements; what it throws ends the copy.
   */
  copyInto(target: Float32Array, onBlock?: OnBlock): Promise<void>;
  /** The same as float16 bits. There only where the file holds float16 in this layout, so that nothing is rounded. */
  readonly copyHalves?: (target: Uint16Array, onBlock?: OnBlock) => Promise<void>;
}

/** A 3x3 convolution. */
export interface ConvWeights {
  /** `block1_conv1` ... as Keras names them, whatever the file calls them. */
  readonly name: string;
  /** (3, 3, cin, cout) */
  readonly kernel: Tensor;
  /** (cout) */
  readonly bias: Tensor;
}

/** A degridding layer behind the last block. */
export interface DegriddingWeights extends ConvWeights {
  readonly rate: number;
}

/** A dense layer. */
export interface DenseWeights {
  /** `fc1`, `fc2`, `predictions` */
  readonly name: string;
  /** (in, out); the rows of the first dense layer are in (row, column, channel) order. */
  readonly kernel: Tensor;
  /** (out) */
  readonly bias: Tensor;
}

/** The weights of a network of VGG's family by layer. */
export interface ChainWeights {
  /** Convolutions by block; a 2x2 pool follows each block. */
  readonly blocks: readonly (readonly ConvWeights[])[];
  /** Degridding layers behind the last block, `degrid1` ..., where the file has any. */
  readonly degridding?: readonly DegriddingWeights[];
  /** Dense layers, ReLU between them; empty for files without a head. */
  readonly dense: readonly DenseWeights[];
  /** Side of the square input in pixels. */
  readonly inputSize: number;
}

/** A network as read from a weight file. */
export interface NetworkWeights {
  /** Where it comes from, for people: a path, a URL, `default`. */
  readonly source: string;
  readonly graph: Graph;
  /** The graph's weights by the name of node and part, such as `block1_conv1.kernel`. */
  readonly tensors: ReadonlyMap<string, Tensor>;
  /** The same by layer, where the network is one of VGG's family. */
  readonly chain?: ChainWeights;
  /** One label a class; `class 0` ... where the file has none and no known set fits. */
  readonly labels: readonly string[];
  readonly preprocessing: Preprocessing;
  /** Whether the numbers of the input were assumed, because nobody states them. */
  readonly preprocessingAssumed?: boolean;
  /** What kind of file it is, for people: `ONNX`. */
  readonly format?: string;
  /** What the network is called, where names tell: `VGG16`, `ResNet`. */
  readonly family?: string;
  /** Number of trained parameters. */
  readonly parameters: number;
  /** How far the evidence of layers lies from the centres of their windows, in pixels (rows, columns), by node, where the file says. */
  readonly evidence?: ReadonlyMap<string, readonly [number, number]>;
  /** What the file does not say and was assumed, in whole sentences; absent where nothing was. */
  readonly assumptions?: readonly string[];
  /** Closes the file. Tensors cannot be read afterwards. */
  close(): void;
}

/** All convolutions in order, the degridding layers last. */
export const convWeights = ({
  blocks,
  degridding = [],
}: Pick<ChainWeights, 'blocks' | 'degridding'>): ConvWeights[] => [...blocks.flat(), ...degridding];
