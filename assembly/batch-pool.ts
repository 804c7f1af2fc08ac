import { simd } from './simd';
import { ceilDiv } from './tile';

/** A 2x2 pool of a batch of maps (see batch-norm.ts) behind scale, shift and ReLU. Channels are a multiple of 4. */
@unmanaged
class BatchPoolArgs {
  /** (pictures, h + gap, w, c), h and w even */
  z: usize;
  /** The gradient at the ReLU's output, like z; only for the gradient. */
  dx: usize;
  /** (pictures, h / 2 + gap, w / 2, c): the pool's output, or the gradient there. */
  y: usize;
  /** scale (c), shift (c) */
  affine: usize;
  h: i32;
  w: i32;
  c: i32;
  /** Rows behind each picture. */
  gap: i32;
  /** Rows of y that a task computes, all of one picture. */
  rows: i32;
}

/** y = the largest relu(scale z + shift) of each 2x2 window; zeros in the gap behind each picture. Task = rows of y. */
export function batchPool(args: BatchPoolArgs, task: i32, _scratch: usize): void {
  const pix: usize = 4 * <usize>args.c;
  const row: usize = pix * <usize>args.w;
  const below = args.h / 2;
  const each = ceilDiv(below, args.rows);
  const picture = task / each;
  const first = (task % each) * args.rows;
  const last = min(below, first + args.rows);
  let y = args.y + <usize>(picture * (below + args.gap) + first) * (row / 2);
  for (let i = first; i < last; i++) {
    let z = args.z + <usize>(picture * (args.h + args.gap) + 2 * i) * row;
    for (let j = args.w; j > 0; j -= 2) {
      for (let k: usize = 0; k < pix; k += 16) {
        const scale = v128.load(args.affine + k);
        const shift = v128.load(args.affine + pix + k);
        const top = f32x4.max(window.at(z + k, scale, shift), window.at(z + pix + k, scale, shift));
        const bottom = f32x4.max(window.at(z + row + k, scale, shift), window.at(z + row + pix + k, scale, shift));
        v128.store(y + k, simd.relu(f32x4.max(top, bottom)));
      }
      z += 2 * pix;
      y += pix;
    }
  }
  if (last === below) memory.fill(y, 0, (row / 2) * <usize>args.gap);
}

/** dx = y, the pool's gradient, at each window's first maximum in row order, else 0. Task = rows of y. */
export function batchPoolBackward(args: BatchPoolArgs, task: i32, _scratch: usize): void {
  const pix: usize = 4 * <usize>args.c;
  const row: usize = pix * <usize>args.w;
  const below = args.h / 2;
  const each = ceilDiv(below, args.rows);
  const picture = task / each;
  const first = (task % each) * args.rows;
  const last = min(below, first + args.rows);
  let dy = args.y + <usize>(picture * (below + args.gap) + first) * (row / 2);
  for (let i = first; i < last; i++) {
    const start = <usize>(picture * (args.h + args.gap) + 2 * i) * row;
    let z = args.z + start;
    let dx = args.dx + start;
    for (let j = args.w; j > 0; j -= 2) {
      for (let k: usize = 0; k < pix; k += 16) {
        const scale = v128.load(args.affine + k);
        const shift = v128.load(args.affine + pix + k);
        const a = window.at(z + k, scale, shift);
        const b = window.at(z + pix + k, scale, shift);
        const c = window.at(z + row + k, scale, shift);
        const d = window.at(z + row + pix + k, scale, shift);
        const most = f32x4.max(f32x4.max(a, b), f32x4.max(c, d));
        let open = v128.load(dy + k); // what no earlier pixel of the window has taken
        open = window.give(dx + k, open, f32x4.eq(a, most));
        open = window.give(dx + pix + k, open, f32x4.eq(b, most));
        open = window.give(dx + row + k, open, f32x4.eq(c, most));
        window.give(dx + row + pix + k, open, f32x4.eq(d, most));
      }
      z += 2 * pix;
      dx += 2 * pix;
      dy += pix;
    }
  }
}

class window {
  @inline
  static at(z: usize, scale: v128, shift: v128): v128 {
    return simd.madd(v128.load(z), scale, shift);
  }

  /** Stores the gradient where this pixel is a maximum, and returns what is left of it. */
  @inline
  static give(dx: usize, open: v128, isMaximum: v128): v128 {
    v128.store(dx, v128.and(open, isMaximum));
    return v128.andnot(open, isMaximum);
  }
}
