import type { View } from '../wasm/job.js';
import type { ConvSize } from '../wasm/ops/conv.js';
import { slice } from './layouts.js';

/**
 * One group of a convolution: slices of the channels, and columns of the kernel (rows, columns, cin / groups, cout).
 */
export class Group {
  /** Sizes of its own kernel. */
  readonly size: ConvSize;

  constructor(
    whole: ConvSize,
    groups: number,
    readonly index: number,
  ) {
    this.size = { ...whole, cin: whole.cin / groups, cout: whole.cout / groups };
    this.#cout = whole.cout;
  }

  readonly #cout: number;

  /** The first of its output channels. */
  get first(): number {
    return this.index * this.size.cout;
  }

  /** Its channels of an input. */
  input(x: View): View {
    return slice(x, this.index * this.size.cin, this.size.cin);
  }

  /** Its channels of an output. */
  output(y: View): View {
    return slice(y, this.first, this.size.cout);
  }

  /** Its kernel, dense. */
  kernel(w: Float32Array): Float32Array {
    const { cout } = this.size;
    if (cout === this.#cout) return w;
    const own = new Float32Array((w.length / this.#cout) * cout);
    for (let i = 0; i < own.length / cout; i++) own.set(this.#row(w, i), i * cout);
    return own;
  }

  /** Writes its kernel's gradient to where it lies in the whole one. */
  write(own: Float32Array, dw: Float32Array): void {
    const { cout } = this.size;
    for (let i = 0; i < own.length / cout; i++) this.#row(dw, i).set(own.subarray(i * cout, (i + 1) * cout));
  }

  /** Its part of one tap and input channel of the whole kernel. */
  #row(w: Float32Array, i: number): Float32Array {
    return w.subarray(i * this.#cout + this.first, i * this.#cout + this.first + this.size.cout);
  }
}
