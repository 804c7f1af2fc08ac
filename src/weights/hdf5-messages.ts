import type { ErrorData } from '../base/messages.js';
import type { KerasContents } from './keras/contents.js';
import type { SourcePlace } from './source.js';

/** What the two sides of the worker that reads Keras files say to each other. It has one file open at a time. */

export type Hdf5Request =
  /** Answered with what the file holds. `library`: the bytes of h5wasm's module, sent to each worker once. */
  | {
      type: 'open';
      id: number;
      as: keyof Opened<TensorData>;
      file: SourcePlace | Uint8Array;
      name: string;
      size: number;
      library?: Uint8Array;
    }
  /** Answered with `length` elements from row `first` on, in the memory of `spare` where that is large enough. */
  | { type: 'read'; id: number; tensor: number; first: number; length: number; spare?: ArrayBuffer }
  | { type: 'close' };

export type Hdf5Reply =
  | { type: 'ready' }
  | { type: 'result'; id: number; value: Opened<TensorData>[keyof Opened<TensorData>] | Float32Array<ArrayBuffer> }
  /** `broken`: the library has trapped, this worker can read nothing any more. */
  | { type: 'error'; id: number; error: ErrorData; broken: boolean };

/** How a file is opened: as a network of VGG's family, or as whatever network it is (undefined where it is no Keras file). */
export interface Opened<Tensor> {
  vgg: Layers<Tensor>;
  contents: KerasContents<Tensor> | undefined;
}

/** A tensor of the open file. */
export interface TensorData {
  tensor: number;
  name: string;
  shape: readonly number[];
}

interface Layer<Tensor> {
  readonly kernel: Tensor;
  readonly bias: Tensor;
}

/** A Keras network's layers, whatever stands for their tensors. */
export interface Layers<Tensor> {
  readonly blocks: readonly (readonly Layer<Tensor>[])[];
  readonly dense: readonly Layer<Tensor>[];
}

export function mapTensors<From, To>({ blocks, dense }: Layers<From>, change: (tensor: From) => To): Layers<To> {
  const layer = ({ kernel, bias }: Layer<From>) => ({ kernel: change(kernel), bias: change(bias) });
  return { blocks: blocks.map((layers) => layers.map(layer)), dense: dense.map(layer) };
}
