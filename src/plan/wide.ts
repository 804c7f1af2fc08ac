import type { Mode, Precision } from '../base/types.js';
import { isPlainChain } from '../graph/chain.js';
import type { Layout } from '../graph/levels.js';
import { convLayer } from '../operators/conv.js';
import { takesWideTiles } from '../operators/convolution.js';
import { type ForwardRequest, type Plan, planForward } from './forward.js';
import { engineMode } from './modes.js';

/** Pixels of a picture from which on making each layer's weights anew costs less than a third of what it saves. */
const FEWEST_PIXELS = 20_000;
/** Up to how many two whole maps of 512 channels, 1.6 GB, surely fit; depth first the plan needs half as much. */
const MOST_PIXELS = 400_000;

/**
 * Whether a network's `dilated` map is computed with tiles of 6x6: networks of VGG's family, whose maps die soon so that whole ones fit in
 * memory, with most of their work in layers that gain by it. Its points have windows of their own, so their bits need not agree with another mode's.
 */
function isWide({ graph }: Layout, precision: Precision): boolean {
  const { h, w } = graph.nodes[0].shape;
  if (h * w < FEWEST_PIXELS || h * w > MOST_PIXELS || !isPlainChain(graph)) return false;
  let [all, wide] = [0, 0];
  for (const node of graph.nodes) {
    if (node.op !== 'conv') continue;
    const layer = convLayer(graph, node);
    const weights = layer.rows * layer.columns * layer.cin * layer.cout;
    all += weights;
    if (takesWideTiles(layer, precision)) wide += weights;
  }
  return 2 * wide > all;
}

/** The plan of a forward pass whose points are compared with no other mode's: `planForward` with the tiles that suit the network. */
export function planFreely(
  { layout, precision }: { layout: Layout; precision: Precision },
  request: Omit<ForwardRequest, 'mode'> & { mode: Mode },
): Plan {
  const wide = engineMode(layout, request.mode) === 'dilated' && isWide(layout, precision);
  return planForward(layout, wide ? { ...request, wide } : request);
}
