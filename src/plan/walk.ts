import type { Mode } from '../base/types.js';
import type { Activation, Node, NodeId } from '../graph/graph.js';
import type { Layout } from '../graph/levels.js';
import { type Clip, phase, slice, type View, view } from '../wasm/job.js';
import { childLattices, Geometry, type Lattice } from './lattice.js';
import { type Block, Memory } from './memory.js';
import { isSame, joined, type Slot, slotsOf } from './slots.js';
import type { Call, Step } from './steps.js';

/**
 * A subtree of the phase tree is computed as one interleaved map, node by node, once all its maps are about this small: below, they live in
 * the caches and phases are many enough to fill the kernels' tiles.
 */
export const SUBTREE_BYTES = 8e6;

/** A piece of memory that several maps may be views of. */
interface Owner {
  readonly block: Block;
  uses: number;
}

/** A map in the memory of the plan, with the points that it has. */
export interface Placed {
  readonly view: View;
  readonly at: Lattice;
  readonly owner: Owner;
}

/** Maps that are there, by node. */
export type Live = Map<NodeId, Placed>;

/** The bounds of an activation that convolutions, sums and the like apply in passing; undefined for others. */
export const clipOf = (activation: Activation): Clip | undefined =>
  activation.f === 'relu'
    ? { low: 0, high: Number.POSITIVE_INFINITY }
    : activation.f === 'clip'
      ? { low: activation.low, high: activation.high }
      : undefined;

/** Operations whose kernels clip their output in passing. */
const CLIPPING: readonly Node['op'][] = ['conv', 'affine', 'add'];

/** Operations whose output may take the place of their first input, and whose gradient at it that of the one at their output. */
export const IN_PLACE: readonly Node['op'][] = ['activation', 'affine', 'add'];

/** Places that maps of a level have before they are computed. */
interface Places {
  readonly whole?: Live;
  readonly lasting: Live;
  readonly slots: ReadonlyMap<NodeId, Slot>;
  /** Concatenations whose memory is there, because a map lies in it. */
  readonly roots: Live;
}

/** How the nodes of a level are computed. */
export interface Computing {
  /** Nodes whose own maps are needed, so that no activation is computed together with them. */
  readonly apart: ReadonlySet<NodeId>;
  /** Maps that are kept whole: a node's points go to their places in it. */
  readonly whole?: Live;
  readonly onMap: (id: NodeId, placed: Placed) => void;
}

/** What forward and backward plans share: steps, memory, and how one node is computed on one lattice. */
export class Walk {
  readonly geometry: Geometry;
  /** Where each map is as large as its level's, neighbours lie at the two ends of the memory, so that it holds no more than two. */
  #atEnd = false;

  constructor(
    readonly layout: Layout,
    /** Of the geometry: a network that has one mode only is computed as it stands. */
    readonly mode: Mode,
    readonly subtreeBytes = SUBTREE_BYTES,
    readonly steps: Step[] = [],
    readonly memory = new Memory(),
    /** As `ForwardRequest.wide`. */
    readonly wide = false,
  ) {
    this.geometry = new Geometry(layout, mode);
  }

  node(id: NodeId): Node {
    return this.layout.graph.nodes[id];
  }

  levelOf(id: NodeId): number {
    return this.layout.placings[id].level;
  }

  /** In `dilated` a mean inside the network needs all points first, so that all phases are computed together, level by level. */
  get isWhole(): boolean {
    const { placings } = this.layout;
    return this.mode === 'dilated' && placings.some(({ vector, head }) => vector && !head);
  }

  /** The activation that is computed together with a node, which is its only reader. */
  fusedInto(id: NodeId): NodeId | undefined {
    const readers = this.layout.readers[id];
    if (readers.length !== 1 || !CLIPPING.includes(this.node(id).op) || this.layout.placings[id].head) return undefined;
    const next = this.node(readers[0]);
    return next.op === 'activation' && clipOf(next.activation) ? readers[0] : undefined;
  }

  /** Nodes that a set of nodes is computed from, themselves included; `given` ones need no others. */
  closure(wanted: Iterable<NodeId>, given: ReadonlySet<NodeId> = new Set()): Set<NodeId> {
    const needed = new Set(wanted);
    for (let id = this.layout.graph.nodes.length - 1; id >= 0; id--)
      if (needed.has(id) && !given.has(id)) for (const from of this.node(id).from) needed.add(from);
    return needed;
  }

  alloc(h: number, w: number, c: number, at: Lattice): Placed {
    this.#atEnd = this.wide && !this.#atEnd;
    const block = this.memory.alloc(4 * h * w * c, this.#atEnd);
    return { view: view(block.ptr, h, w, c), at, owner: { block, uses: 1 } };
  }

  /** Room for a node's map on a lattice. */
  allocFor(id: NodeId, at: Lattice): Placed {
    const { c } = this.node(id).shape;
    if (this.layout.placings[id].vector) {
      const rate = this.vectorRate(at);
      return this.alloc(rate, rate, c, at);
    }
    const { h, w } = this.geometry.size(id, at);
    return this.alloc(h, w, c, at);
  }

  release({ owner }: Placed): void {
    if (--owner.uses === 0) this.memory.free(owner.block);
  }

  /** The points of a map that lie on a lattice, as a view that keeps the memory. */
  part(of: Placed, at: Lattice): Placed {
    of.owner.uses++;
    return { view: this.partView(of, at), at, owner: of.owner };
  }

  partView({ view: v, at: from }: Pick<Placed, 'view' | 'at'>, at: Lattice): View {
    const [y, x] = [(at.row - from.row) / from.unit, (at.column - from.column) / from.unit];
    return phase(v, at.unit / from.unit, y, x);
  }

  /** Rows (and columns) of vectors on a lattice: one for each phase, in `dilated` one for all. */
  vectorRate({ rate }: Lattice): number {
    return this.mode === 'dilated' ? 1 : rate;
  }

  /** How a node on the lattice `at` reads an input on the lattice `x`. */
  callOf(node: Node, x: Lattice, at: Lattice): Call {
    const rate = this.vectorRate(at);
    const call =
      node.op === 'conv' || node.op === 'pool' ? { window: this.geometry.call(node, x, at), rate } : { rate };
    return this.wide && node.op === 'conv' ? { ...call, wide: true } : call;
  }

  /**
   * Computes nodes of a level that are `pending`, in order. `pending` counts the readers of each that come yet in this visit; a map is
   * dropped behind its last one, and stays where that number is infinite.
   */
  compute(
    at: Lattice,
    live: Live,
    pending: Map<NodeId, number>,
    { apart, whole, onMap }: Computing,
    nodes: Iterable<NodeId> = pending.keys(),
  ): void {
    const done = new Set<NodeId>();
    const lasting = this.wide ? new Map<NodeId, Placed>() : this.#placeLasting(at, live, pending, whole);
    const slots = this.#slots(live, pending, whole);
    const places: Places = { whole, lasting, slots, roots: new Map() };
    for (const id of nodes) {
      if (done.has(id)) continue;
      const fused = apart.has(id) ? undefined : this.fusedInto(id);
      const result = fused !== undefined && pending.has(fused) ? fused : id;
      done.add(result);
      if (!live.has(result)) this.#computeNode(id, result, at, live, pending, places);
      onMap(result, live.get(result)!);
      for (const from of new Set(this.node(id).from)) {
        const left = pending.get(from);
        if (left === undefined) continue; // a map of a level before, which its own visit keeps
        pending.set(from, left - 1);
        if (left === 1) this.#drop(from, live);
      }
      if (pending.get(result) === 0) this.#drop(result, live);
    }
  }

  /**
   * Room for the only map that stays for what comes after a level's nodes, before those that come and go: these would leave a hole below it
   * that is too small for what follows.
   */
  #placeLasting(at: Lattice, live: Live, pending: ReadonlyMap<NodeId, number>, whole: Live | undefined): Live {
    const stay = [...pending].filter(([id, readers]) => readers === Number.POSITIVE_INFINITY && !live.has(id));
    if (stay.length !== 1) return new Map();
    const [[id]] = stay;
    const node = this.node(id);
    const inPlace = IN_PLACE.includes(node.op) && this.fusedInto(node.from[0]) !== id;
    if (whole?.has(id) || this.geometry.isView(node) || inPlace) return new Map();
    return new Map([[id, this.allocFor(id, at)]]);
  }

  /** Slots in concatenations for the maps of this visit that nothing else keeps. */
  #slots(live: Live, pending: ReadonlyMap<NodeId, number>, whole: Live | undefined): Map<NodeId, Slot> {
    const { graph, placings, frontier } = this.layout;
    const isHere = (id: NodeId) => pending.has(id) && !live.has(id) && !whole?.has(id) && !placings[id].vector;
    const isKept = (id: NodeId) => pending.get(id) === Number.POSITIVE_INFINITY || frontier.includes(id);
    return slotsOf(
      graph,
      pending.keys(),
      isHere,
      (id) => isHere(id) && !isKept(id) && !this.geometry.isView(this.node(id)),
    );
  }

  #computeNode(
    id: NodeId,
    result: NodeId,
    at: Lattice,
    live: Live,
    pending: ReadonlyMap<NodeId, number>,
    places: Places,
  ): void {
    const node = this.node(id);
    const x = node.from.map((from) => live.get(from)!);
    if (this.geometry.isView(node)) {
      live.set(result, this.part(x[0], at));
      return;
    }
    const views = x.map(({ view }) => view);
    const place = this.#placeOf(result, at, places);
    const together = node.op === 'concat' && !place ? joined(views) : undefined;
    if (together) {
      x[0].owner.uses++;
      live.set(result, { ...x[0], view: together });
      return;
    }
    const [from] = node.from;
    const replaces = IN_PLACE.includes(node.op) && pending.get(from) === 1 && x[0].owner.uses === 1;
    const y = place ?? (replaces ? this.part(x[0], at) : this.allocFor(result, at));
    live.set(result, y);
    if (node.op === 'concat') {
      this.#fill(id, views, y.view, at);
      return;
    }
    const next = result === id ? undefined : this.node(result);
    const clip = next?.op === 'activation' ? clipOf(next.activation) : undefined;
    this.steps.push({ op: 'compute', node: id, x: views, y: y.view, call: this.callOf(node, x[0].at, at), clip, at });
  }

  /** Where a node's map has its place before it is computed. */
  #placeOf(id: NodeId, at: Lattice, { whole, lasting, slots, roots }: Places): Placed | undefined {
    const all = whole?.get(id);
    if (all) return this.part(all, at);
    const placed = roots.get(id) ?? lasting.get(id);
    const slot = slots.get(id);
    if (placed || !slot) return placed;
    const root = roots.get(slot.root) ?? lasting.get(slot.root) ?? this.allocFor(slot.root, at);
    roots.set(slot.root, root);
    root.owner.uses++;
    return { ...root, view: slice(root.view, slot.offset, this.node(id).shape.c) };
  }

  /** Copies the inputs of a concatenation that are not where they belong. */
  #fill(id: NodeId, x: readonly View[], y: View, at: Lattice): void {
    let offset = 0;
    for (const part of x) {
      const to = slice(y, offset, part.c);
      if (!isSame(part, to))
        this.steps.push({ op: 'compute', node: id, x: [part], y: to, call: { rate: this.vectorRate(at) }, at });
      offset += part.c;
    }
  }

  #drop(id: NodeId, live: Live): void {
    this.release(live.get(id)!);
    live.delete(id);
  }

  /** Whether children that are computed together are several, and only wanted ones down to the last level. */
  isGroup({ rate, unit }: Lattice, outputStride: number): boolean {
    return rate > 1 && unit % outputStride === 0;
  }

  /** Whether what is `needed` of the levels from `level` on is small on the lattices that begin with `at`. */
  isSmall(level: number, at: Lattice, needed: ReadonlySet<NodeId>): boolean {
    let lattice = at;
    for (let k = level; k < this.layout.levels.length; k++) {
      if (k > level) [lattice] = childLattices(this.geometry, k - 1, lattice, 1, true);
      for (const id of this.layout.levels[k].nodes) {
        if (!needed.has(id) || this.layout.placings[id].vector) continue;
        const { h, w } = this.geometry.size(id, lattice);
        if (4 * h * w * this.node(id).shape.c > this.subtreeBytes) return false;
      }
    }
    return true;
  }

  hasDeeper(level: number, needed: ReadonlySet<NodeId>): boolean {
    return this.layout.levels.slice(level + 1).some(({ nodes }) => nodes.some((id) => needed.has(id)));
  }
}
