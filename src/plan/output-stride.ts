import { isPlainChain } from '../graph/chain.js';
import type { Layout } from '../graph/levels.js';
import { planForward } from './forward.js';
import { outputStrides } from './modes.js';

/** What a map may cost by default, in passes of the pooled network. */
const AFFORDABLE = 10;

const known = new WeakMap<Layout, number>();

/**
 * The output stride of an explanation that names none: the finest at which the maps in front of the head cost at most ten times what
 * the pooled network does, whatever the mode, method and layer, so that they can be compared. Networks of VGG's family, whose maps have a
 * point for each pixel ever since, keep 1; so does a network that has no `atrous`.
 */
export function defaultOutputStride(layout: Layout): number {
  const found = known.get(layout) ?? (isPlainChain(layout.graph) || layout.refused ? 1 : affordableStride(layout));
  known.set(layout, found);
  return found;
}

function affordableStride(layout: Layout): number {
  const { frontier, graph } = layout;
  if (graph.only || frontier.length === 0) return 1;
  const macs = (outputStride: number) => planForward(layout, { mode: 'atrous', outputStride, take: frontier }).macs;
  const [own, ...finer] = outputStrides(layout);
  const limit = AFFORDABLE * macs(own);
  let stride = own;
  for (const next of finer) {
    if (macs(next) > limit) break;
    stride = next;
  }
  return stride;
}
