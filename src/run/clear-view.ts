import type { Arena } from '../wasm/arena.js';
import type { View } from '../wasm/job.js';

/** Zeros at all points of a view. */
export function clearView(arena: Arena, { ptr, h, w, c, row, pix }: View): void {
  if (pix === c && row === w * c) arena.f32(ptr, h * w * c).fill(0);
  else for (let i = 0; i < h; i++) for (let j = 0; j < w; j++) arena.f32(ptr + 4 * (i * row + j * pix), c).fill(0);
}
