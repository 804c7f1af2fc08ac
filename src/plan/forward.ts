import { AtrousCamError } from '../base/errors.js';
import type { Mode } from '../base/types.js';
import type { NodeId } from '../graph/graph.js';
import type { Layout } from '../graph/levels.js';
import type { View } from '../wasm/job.js';
import { keptPlan } from './kept.js';
import { childLattices, type Lattice, ORIGIN } from './lattice.js';
import type { Memory } from './memory.js';
import { engineMode, gridOf } from './modes.js';
import { type Step, stepMacs } from './steps.js';
import { type Live, type Placed, Walk } from './walk.js';

export interface Plan {
  readonly mode: Mode;
  readonly outputStride: number;
  readonly steps: readonly Step[];
  /** The network's input; absent where it is not read. */
  readonly input?: View;
  /** Maps that the run is given instead of computing them. */
  readonly given: ReadonlyMap<NodeId, View>;
  /** The node that is explained, and the raw map, one float a point. */
  readonly fold?: NodeId;
  readonly raw?: View;
  /** Bytes of memory that the maps need at most at a time. */
  readonly bytes: number;
  /** Multiply-accumulates of the body. */
  readonly macs: number;
}

/** What of a network's forward pass is wanted. */
export interface ForwardRequest {
  readonly mode: Mode;
  /** `atrous`: spacing of the points, a divisor of the deepest wanted layer's stride. */
  readonly outputStride?: number;
  /** Whether the network's own head is run. */
  readonly head?: boolean;
  /** The node whose weighted sum of channels is the raw map. */
  readonly fold?: NodeId;
  /** Nodes whose activations are wanted, at all points of the mode. */
  readonly take?: readonly NodeId[];
  /** `pooled`: nodes whose activations are given; nothing before them is computed for their sake. */
  readonly given?: readonly NodeId[];
  /** As `SUBTREE_BYTES`. */
  readonly subtreeBytes?: number;
  /** `dilated`: each node once, all phases together, so that convolutions of many channels may take tiles of 6x6 (wide.ts). */
  readonly wide?: boolean;
}

/**
 * Plans a forward pass as a walk over the phase tree, depth first, the own phase first. A visit computes the nodes of one level on one
 * lattice, then visits the children. In `atrous` a strided window begins a little later for each child; in `dilated` a child takes
 * every so many pixels of what its parent has; `pooled` is the path of the own phase alone.
 *
 * @throws AtrousCamError UNSUPPORTED for a mode that the network does not have
 */
export const planForward = (layout: Layout, request: ForwardRequest): Plan =>
  keptPlan(layout, request, () => new ForwardWalk(layout, request).plan());

/** What a forward walk shares with the backward walk that it is a part of. */
interface Shared {
  readonly steps: Step[];
  readonly memory: Memory;
}

/** The forward pass of `dilated` to the maps in front of the head, which are kept whole, and the input, which is kept too. */
export function walkToFrontier(
  layout: Layout,
  take: readonly NodeId[],
  shared: Shared,
): { whole: Live; input: Placed } {
  const walk = new ForwardWalk(layout, { mode: 'dilated', take, frontier: true }, shared);
  return walk.toFrontier();
}

class ForwardWalk extends Walk {
  readonly #take: ReadonlySet<NodeId>;
  readonly #given: Live;
  /** Nodes that the own phase needs, and the other phases. */
  readonly #own: ReadonlySet<NodeId>;
  readonly #others: ReadonlySet<NodeId>;
  readonly #spacing: number;
  /** The raw map, and the picture's shift of its first row and column. */
  readonly #raw: Placed | undefined;
  /** `dilated`: maps that are kept whole, because the head needs all of them before alpha is known. */
  readonly #whole: Live = new Map();

  constructor(
    layout: Layout,
    readonly request: ForwardRequest & { frontier?: boolean },
    shared?: Shared,
  ) {
    super(layout, engineMode(layout, request.mode), request.subtreeBytes, shared?.steps, shared?.memory, request.wide);
    const { head = false, fold, take = [], given = [] } = request;
    this.#take = new Set(take);
    const frontier = head || request.frontier ? layout.frontier : [];
    const wanted = fold === undefined ? take : [...take, fold];
    const known = new Set(given);
    this.#own = this.closure([...wanted, ...frontier], known);
    // In `dilated` the head needs all points.
    const others = this.mode === 'dilated' ? this.#own : this.closure(wanted, known);
    this.#others = this.mode === 'pooled' ? new Set() : others;
    const deepest = Math.max(0, ...wanted.map((id) => this.levelOf(id)));
    const own = layout.levels[this.mode === 'pooled' ? layout.levels.length - 1 : deepest].stride;
    this.#spacing = this.mode === 'dilated' ? 1 : this.mode === 'pooled' ? own : spacingOf(own, request.outputStride);
    this.#given = new Map(given.map((id) => [id, this.allocFor(id, this.#pooledLattice(id))]));
    if (fold !== undefined) this.#raw = this.#allocRaw(fold);
    if (this.mode === 'dilated' && !this.isWhole && !this.wide)
      for (const id of new Set([...frontier, ...(fold === undefined ? [] : [fold])]))
        this.#whole.set(id, this.allocFor(id, ORIGIN));
  }

  plan(): Plan {
    const { graph } = this.layout;
    const input = this.#own.has(0) && !this.#given.has(0) ? this.allocFor(0, ORIGIN) : undefined;
    const live: Live = new Map(this.#given);
    if (input) live.set(0, input);
    if (this.wide) this.#sweep(live);
    else this.#visit(0, ORIGIN, live, true);
    if (this.#whole.size > 0) this.#finishWhole();
    return {
      mode: this.request.mode,
      outputStride: this.#spacing,
      steps: this.steps,
      input: input?.view,
      given: new Map([...this.#given].map(([id, { view }]) => [id, view])),
      fold: this.request.fold,
      raw: this.#raw?.view,
      bytes: this.memory.peak,
      macs: this.steps.reduce((sum, step) => sum + stepMacs(graph, step), 0),
    };
  }

  toFrontier(): { whole: Live; input: Placed } {
    const input = this.allocFor(0, ORIGIN);
    input.owner.uses++;
    this.#visit(0, ORIGIN, new Map([[0, input]]), true);
    return { whole: this.#whole, input };
  }

  /** The lattice of a node's map in `pooled`. */
  #pooledLattice = (id: NodeId): Lattice => ({ ...ORIGIN, unit: this.layout.levels[this.levelOf(id)].stride });

  #allocRaw(fold: NodeId): Placed {
    const { h, w, low, spacing } = gridOf(this.layout, this.request.mode, fold, this.#spacing);
    return this.alloc(h, w, 1, { row: low[0], column: low[1], unit: spacing, rate: 1 });
  }

  /** The nodes of a level on one lattice, then its children; `live` are the maps of the levels before. */
  #visit(level: number, at: Lattice, above: Live, own: boolean): void {
    const needed = own ? this.#own : this.#others;
    const live: Live = new Map(above);
    const mine = this.layout.levels[level].nodes.filter((id) => needed.has(id));
    /** Readers that come yet, in this visit; infinitely many where children or the head read it. */
    const pending = new Map(mine.map((id) => [id, this.#readersOf(id, level, needed, own)]));
    this.compute(at, live, pending, {
      apart: this.#take,
      whole: this.#whole,
      onMap: (id, map) => this.#taken(id, map),
    });
    if (own) this.#ownPhase(level, at, live);
    else this.#fold(level, at, live);
    this.#children(level, at, live, own);
    for (const [id, placed] of live) if (!above.has(id)) this.release(placed);
  }

  /** Level by level, the points of each as one map. A map is dropped behind its last reader in any level. */
  #sweep(live: Live): void {
    const { levels } = this.layout;
    const none = levels.length;
    const { h, w } = this.node(0).shape;
    const channels = Math.max(...[...this.#own].map((id) => this.node(id).shape.c));
    this.memory.free(this.memory.alloc(2 * 4 * h * w * channels)); // room for two maps, of which one is read and one written
    const pending = new Map([...this.#own].map((id) => [id, this.#readersOf(id, none, this.#own, true)]));
    let at = ORIGIN;
    for (const [level, { nodes }] of levels.entries()) {
      if (level > 0) [at] = childLattices(this.geometry, level - 1, at, this.#spacing, true);
      const mine = nodes.filter((id) => this.#own.has(id));
      this.compute(at, live, pending, { apart: this.#take, onMap: (id, map) => this.#taken(id, map) }, mine);
      this.#ownPhase(level, at, live);
    }
  }

  #readersOf(id: NodeId, level: number, needed: ReadonlySet<NodeId>, own: boolean): number {
    const readers = this.layout.readers[id].filter(
      (reader) => needed.has(reader) && !this.layout.placings[reader].head,
    );
    const later =
      readers.some((reader) => this.levelOf(reader) > level) ||
      this.request.fold === id ||
      (own && this.request.head && this.layout.frontier.includes(id));
    return later ? Number.POSITIVE_INFINITY : readers.length;
  }

  #taken(id: NodeId, { view: x, at }: Placed): void {
    if (this.#take.has(id)) this.steps.push({ op: 'take', what: 'activation', node: id, x, at });
  }

  /** What follows a level's nodes on the path of the own phase. */
  #ownPhase(level: number, at: Lattice, live: Live): void {
    const { head, fold } = this.request;
    const { frontier } = this.layout;
    if (this.#whole.size > 0) return;
    const last = Math.max(...frontier.map((id) => this.levelOf(id)));
    if (head && last === level) {
      const x = new Map(frontier.map((id) => [id, live.get(id)!.view]));
      this.steps.push({ op: 'head', x, rate: 1, at });
    }
    this.#fold(level, at, live);
    if (fold !== undefined && this.levelOf(fold) === level) this.#refined(this.layout.levels[level].stride);
  }

  #refined(outputStride: number): void {
    this.steps.push({ op: 'refined', outputStride: this.mode === 'dilated' ? 1 : outputStride });
  }

  #fold(level: number, at: Lattice, live: Live): void {
    const { fold } = this.request;
    if (fold === undefined || this.#whole.size > 0 || this.levelOf(fold) !== level) return;
    const { view: x } = live.get(fold)!;
    this.steps.push({ op: 'fold', x, y: this.partView(this.#raw!, at) });
  }

  #finishWhole(): void {
    const { head, fold } = this.request;
    const view = (id: NodeId) => this.#whole.get(id)!.view;
    const x = new Map(this.layout.frontier.map((id) => [id, this.#whole.get(id)?.view]));
    if (head) this.steps.push({ op: 'head', x: x as Map<NodeId, View>, rate: 1, at: ORIGIN });
    if (fold === undefined) return;
    this.steps.push({ op: 'fold', x: view(fold), y: this.#raw!.view });
    this.#refined(1);
  }

  #children(level: number, at: Lattice, live: Live, own: boolean): void {
    const others = this.hasDeeper(level, this.#others);
    if (!others && !(own && this.hasDeeper(level, this.#own))) return;
    const { geometry } = this;
    const [group] = childLattices(geometry, level, at, this.#spacing, true);
    const together =
      this.isWhole ||
      (others && !own && this.isGroup(group, this.#spacing) && this.isSmall(level + 1, group, this.#others));
    const children = together ? [group] : childLattices(geometry, level, at, this.#spacing, false);
    for (const [i, child] of (others ? children : children.slice(0, 1)).entries())
      this.#visit(level + 1, child, live, own && i === 0);
    const { stride } = this.layout.levels[level];
    if (own && this.request.fold !== undefined && this.mode === 'atrous' && children.length > 1 && others)
      this.#refined(Math.max(stride, this.#spacing));
  }
}

/** `outputStride`, a divisor of a level's stride, or the stride itself where that is smaller. */
function spacingOf(stride: number, outputStride = 1): number {
  if (outputStride >= stride) return stride;
  if (stride % outputStride === 0) return outputStride;
  throw new AtrousCamError('BAD_ARGUMENT', `outputStride: expected a divisor of ${stride}, got ${outputStride}`);
}
