import type { Mode } from '../base/types.js';
import type { NodeId } from '../graph/graph.js';
import type { Layout } from '../graph/levels.js';

/** Floats of the gradients that FullGrad keeps at a time: 256 MB. */
const MOST = 64 * 2 ** 20;

/**
 * The maps that have biases, convolutions' and normalizations', in groups whose gradients one pass keeps: more than one only for large
 * networks in `dilated`, where all maps have the input's size.
 */
export function fullGradGroups({ graph, placings }: Layout, mode: Mode): NodeId[][] {
  const [{ shape: input }] = graph.nodes;
  const groups: NodeId[][] = [[]];
  let floats = 0;
  for (const [id, { op, shape }] of graph.nodes.entries()) {
    if ((op !== 'conv' && op !== 'affine') || placings[id].vector || placings[id].head) continue;
    const { h, w } = mode === 'dilated' && !graph.only ? input : shape;
    if (floats > 0 && floats + h * w * shape.c > MOST) {
      groups.push([]);
      floats = 0;
    }
    floats += h * w * shape.c;
    groups[groups.length - 1].push(id);
  }
  return groups;
}
