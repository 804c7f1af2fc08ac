import type { Graph, NodeId } from '../graph/graph.js';
import { slice, type View } from '../wasm/job.js';

/** Where a map lies that a concatenation reads: from so many channels on in the map of the outermost concatenation, `root`. */
export interface Slot {
  readonly root: NodeId;
  readonly offset: number;
}

/**
 * Slots of the nodes that are computed together, so that concatenations have nothing to copy. The last concatenation that reads a map has its
 * slot, and one that is read by another lies within that: in a DenseNet, whose concatenations begin alike, each is then a part of the last.
 * `holds`: whether a concatenation may have its memory before it is computed; `fits`: whether a map may lie in the memory of another.
 */
export function slotsOf(
  { nodes }: Graph,
  together: Iterable<NodeId>,
  holds: (id: NodeId) => boolean,
  fits: (id: NodeId) => boolean,
): Map<NodeId, Slot> {
  const slots = new Map<NodeId, Slot>();
  for (const id of [...together].reverse()) {
    if (nodes[id].op !== 'concat') continue;
    const own = slots.get(id) ?? (holds(id) ? { root: id, offset: 0 } : undefined);
    let offset = own?.offset ?? 0;
    for (const from of nodes[id].from) {
      if (own && fits(from) && !slots.has(from)) slots.set(from, { root: own.root, offset });
      offset += nodes[from].shape.c;
    }
  }
  return slots;
}

export const isSame = (a: View, b: View): boolean =>
  a.ptr === b.ptr && a.row === b.row && a.pix === b.pix && a.c === b.c;

/** The maps as one, where they lie side by side in their order. */
export function joined(maps: readonly View[]): View | undefined {
  const [first] = maps;
  let c = 0;
  for (const map of maps) {
    if (!isSame(map, slice(first, c, map.c))) return undefined;
    c += map.c;
  }
  return { ...first, c };
}
