import type { NodeId } from '../graph/graph.js';
import type { Plan } from '../plan/forward.js';
import type { Step } from '../plan/steps.js';
import type { Arena } from '../wasm/arena.js';
import type { View } from '../wasm/job.js';
import type { PackedNetwork } from './packed-network.js';

/** More than this is not kept; VGG16's map with a point for each pixel has 103 MB. */
const MOST_BYTES = 128e6;
/** Passes of one network that are kept, such as a coarse and a fine one. */
const MOST_PASSES = 3;

/**
 * What the head and the explained map of a pass are made of, in the order of the plan's steps: enough to explain another target
 * with the same kernels on the same numbers, so with the same bits, without the convolutions.
 */
export class KeptPass {
  readonly #maps = new Map<Step, Float32Array[]>();
  #bytes = 0;
  /** Whether the pass came to its end and all of it was kept. */
  complete = false;

  constructor(readonly plan: Plan) {}

  /** Copies the maps that a step reads; nothing more once that is too much. */
  save(arena: Arena, step: Step, views: readonly View[]): void {
    this.#bytes += views.reduce((sum, { h, w, c }) => sum + 4 * h * w * c, 0);
    if (this.#bytes > MOST_BYTES) this.#maps.clear();
    else
      this.#maps.set(
        step,
        views.map((view) => gather(arena, view)),
      );
  }

  /** Puts them where the step reads them. */
  restore(arena: Arena, step: Step, views: readonly View[]): void {
    for (const [i, values] of this.#maps.get(step)!.entries()) scatter(arena, views[i], values);
  }

  finish(): void {
    this.complete = this.#bytes <= MOST_BYTES;
  }
}

const known = new WeakMap<PackedNetwork, { input: Float32Array; passes: Map<string, KeptPass> }>();

/**
 * The kept pass of a network over an input, or one that a run may fill. What was kept of another input is forgotten.
 *
 * @param request what tells passes over one input apart
 */
export function keptPass(
  network: PackedNetwork,
  input: Float32Array,
  request: { readonly mode: string; readonly outputStride: number; readonly fold: NodeId },
  plan: () => Plan,
): KeptPass {
  let found = known.get(network);
  if (!found?.input.every((value, i) => Object.is(value, input[i]))) {
    found = { input: input.slice(), passes: new Map() };
    known.set(network, found);
  }
  const { passes } = found;
  const key = JSON.stringify([request.mode, request.outputStride, request.fold]);
  const pass = passes.get(key);
  if (pass?.complete) return pass;
  const fresh = new KeptPass(plan());
  passes.delete(key);
  passes.set(key, fresh);
  if (passes.size > MOST_PASSES) passes.delete(passes.keys().next().value!);
  return fresh;
}

/** The values of a view, row by row without gaps. */
function gather(arena: Arena, { ptr, h, w, c, row, pix }: View): Float32Array {
  const values = new Float32Array(h * w * c);
  eachRun({ h, w, c, row, pix }, (from, to, length) => values.set(arena.f32(ptr + 4 * from, length), to));
  return values;
}

function scatter(arena: Arena, { ptr, h, w, c, row, pix }: View, values: Float32Array): void {
  eachRun({ h, w, c, row, pix }, (to, from, length) =>
    arena.f32(ptr + 4 * to, length).set(values.subarray(from, from + length)),
  );
}

/** Calls with the places in a view, and without its gaps, of each piece that has none. */
function eachRun(
  { h, w, c, row, pix }: Omit<View, 'ptr'>,
  visit: (inView: number, dense: number, length: number) => void,
): void {
  const whole = pix === c;
  for (let y = 0; y < h; y++)
    if (whole) visit(y * row, y * w * c, w * c);
    else for (let x = 0; x < w; x++) visit(y * row + x * pix, (y * w + x) * c, c);
}
