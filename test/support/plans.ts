import { expect } from 'vitest';
import { chainGraph } from '../../src/graph/chain.js';
import type { NodeId } from '../../src/graph/graph.js';
import { type Layout, layoutOf } from '../../src/graph/levels.js';
import { findNode } from '../../src/graph/names.js';
import type { Step } from '../../src/plan/steps.js';
import type { View } from '../../src/wasm/job.js';
import { elements, vgg } from './topology.js';

/** The layout of a network of VGG's family with one dense layer, and its convolutions after ReLU. */
export function vggLayout(
  widths: number[],
  convs: number[],
  inputSize: number,
): { layout: Layout; layers: NodeId[]; blocks: NodeId[][] } {
  const topology = vgg(widths, convs, inputSize);
  const inputs = (inputSize / 2 ** widths.length) ** 2 * widths.at(-1)!;
  const layout = layoutOf(chainGraph({ ...topology, dense: [{ name: 'predictions', in: inputs, out: 3 }] }));
  const blocks = topology.blocks.map((layers) => layers.map(({ name }) => findNode(layout.graph, name)!));
  return { layout, layers: blocks.flat(), blocks };
}

/** What a step reads of the plan's memory. */
export function reads(step: Step): View[] {
  const present = (views: Iterable<View | undefined>) => [...views].filter((v): v is View => v !== undefined);
  switch (step.op) {
    case 'compute':
      return [...step.x];
    case 'take':
    case 'fold':
      return [step.x];
    case 'head':
      return [...step.x.values()];
    case 'gradient':
      return present([...step.x, step.dy, ...step.dx.filter((_, i) => step.accumulate[i])]);
    case 'copy':
      return present([step.x, step.accumulate ? step.y : undefined]);
    default:
      return [];
  }
}

/** What it writes. */
export function writes(step: Step): View[] {
  switch (step.op) {
    case 'compute':
    case 'fold':
    case 'copy':
      return [step.y];
    case 'head':
      return [...(step.dx?.values() ?? [])];
    case 'gradient':
      return step.dx.filter((v): v is View => v !== undefined);
    default:
      return [];
  }
}

/** Which floats of a memory were written: a set of their indices, faster than a `Set`. */
class Written {
  #flags = new Uint8Array(2 ** 16);

  add(v: View): void {
    for (const element of elements(v)) {
      if (element >= this.#flags.length) this.#grow(element + 1);
      this.#flags[element] = 1;
    }
  }

  has(v: View): boolean {
    for (const element of elements(v)) if (this.#flags[element] !== 1) return false;
    return true;
  }

  #grow(least: number): void {
    const flags = new Uint8Array(Math.max(least, 2 * this.#flags.length));
    flags.set(this.#flags);
    this.#flags = flags;
  }
}

/** Fails unless every step reads only what was written before; returns what was written in all. */
export function expectWrittenFirst(steps: readonly Step[], given: readonly View[]): Written {
  const written = new Written();
  for (const v of given) written.add(v);
  for (const step of steps) {
    for (const v of reads(step)) {
      if (!written.has(v)) expect.fail(`${step.op} reads elements that nothing wrote`);
    }
    for (const v of writes(step)) written.add(v);
  }
  return written;
}
