import type { ConvLayer } from '../operators/convolution.js';
import { slice, type View } from '../wasm/job.js';

/**
 * One group of a convolution: slices of the channels, and columns of the kernel (rows, columns, cin / groups, cout).
 */
export class Group {
  readonly #cout: number;

  constructor(
    /** Its own sizes. */
    readonly layer: ConvLayer,
    groups: number,
    readonly index: number,
  ) {
    this.#cout = groups * layer.cout;
  }

  /** Its channels of an input. */
  input(x: View): View {
    return slice(x, this.index * this.layer.cin, this.layer.cin);
  }

  /** Its channels of an output. */
  output(y: View): View {
    return slice(y, this.index * this.layer.cout, this.layer.cout);
  }

  /** Its part of the biases, in place. */
  biases(b: Float32Array): Float32Array {
    return this.#row(b, 0);
  }

  /** Its kernel, dense. */
  kernel(w: Float32Array): Float32Array {
    const { cout } = this.layer;
    if (cout === this.#cout) return w;
    const own = new Float32Array((w.length / this.#cout) * cout);
    for (let i = 0; i < own.length / cout; i++) own.set(this.#row(w, i), i * cout);
    return own;
  }

  /** Writes its kernel's gradient to where it lies in the whole one. */
  write(own: Float32Array, dw: Float32Array): void {
    const { cout } = this.layer;
    for (let i = 0; i < own.length / cout; i++) this.#row(dw, i).set(own.subarray(i * cout, (i + 1) * cout));
  }

  /** Its columns of row i of a matrix with a column for each output channel, in place. */
  #row(matrix: Float32Array, i: number): Float32Array {
    const { cout } = this.layer;
    const start = i * this.#cout + this.index * cout;
    return matrix.subarray(start, start + cout);
  }
}
