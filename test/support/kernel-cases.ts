import type { Kernels } from '../../src/kernels.js';
import { expectClose, expectNear, type ReferenceTensor } from './references.js';

/** One operation of kernels.safetensors: its tensors are called NAME.x ... */
export interface KernelCase {
  name: string;
  op: string;
  n: number;
  h?: number;
  w?: number;
  c?: number;
  cin?: number;
  cout?: number;
  dilation?: number;
  size?: number;
  stride?: number;
  in?: number;
  out?: number;
}

/** Relative L2 error that a convolution's gradients may have. */
const GRADIENT = { exact: 1e-5, fast: 1e-4 };

/** A title that holds all parameters. */
export const titleOf = ({ name, op, ...parameters }: KernelCase): string =>
  `${name} (${op}) ${JSON.stringify(parameters)}`;

/** Computes a case by the public kernels and compares everything that they offer with the reference. */
export function checkKernelCase(
  k: Kernels,
  item: KernelCase,
  tensors: Map<string, ReferenceTensor>,
  tolerance: number,
) {
  const get = (name: string): Float32Array => tensors.get(`${item.name}.${name}`)!.data as Float32Array;
  const title = titleOf(item);
  const { n, h = 0, w = 0 } = item;
  switch (item.op) {
    case 'conv3x3': {
      const options = { shape: [n, h, w, item.cin!], cout: item.cout!, dilation: item.dilation };
      const y = k.conv2d({ ...options, x: get('x_nhwc'), w: get('w_hwio'), b: get('b') });
      expectClose(y, get('y_nhwc'), tolerance, `${title}: y`);
      const { dx, dw, db } = k.conv2dBackward({ ...options, x: get('x_nhwc'), w: get('w_hwio'), dy: get('dy_nhwc') });
      expectNear(dx, get('dx_nhwc'), GRADIENT[k.precision], `${title}: dx`);
      expectNear(dw, get('dw_hwio'), GRADIENT[k.precision], `${title}: dw`);
      expectNear(db, get('db'), GRADIENT[k.precision], `${title}: db`);
      break;
    }
    case 'maxpool': {
      const { size, stride, dilation } = item;
      const options = { x: get('x_nhwc'), shape: [n, h, w, item.c!], size: size!, stride, dilation };
      expectClose(k.maxPool2d(options), get('y_nhwc'), 0, `${title}: y`);
      const dx = k.maxPool2dBackward({ ...options, dy: get('dy_nhwc') });
      expectClose(dx, get('dx_nhwc'), 2e-7, `${title}: dx`);
      break;
    }
    case 'dense': {
      const options = { shape: [n, item.in!], x: get('x'), w: get('w_io'), out: item.out! };
      expectClose(k.dense({ ...options, b: get('b') }), get('y'), tolerance, `${title}: y`);
      const { dx, dw, db } = k.denseBackward({ ...options, dy: get('dy') });
      expectClose(dx, get('dx'), tolerance, `${title}: dx`);
      expectClose(dw, get('dw_io'), tolerance, `${title}: dw`);
      expectClose(db, get('db'), tolerance, `${title}: db`);
      break;
    }
    default:
      throw new Error(`${title}: no check for this operation`);
  }
}
