import type { Heads, Mode } from '../base/types.js';
import { type Node, type NodeId, weightShapes } from '../graph/graph.js';
import type { Layout } from '../graph/levels.js';
import type { View } from '../wasm/job.js';
import { walkToFrontier } from './forward.js';
import { childLattices, type Lattice, ORIGIN } from './lattice.js';
import { engineMode } from './modes.js';
import { headMacs, type Step, stepMacs } from './steps.js';
import { clipOf, IN_PLACE, type Live, type Placed, Walk } from './walk.js';

export interface BackwardPlan {
  readonly steps: readonly Step[];
  /** The network's input, and the gradient at it if wanted. */
  readonly input: View;
  readonly inputGradient?: View;
  /** Bytes of memory that the maps need at most at a time. */
  readonly bytes: number;
  /** Heads in all, and those of the largest group that runs at once. */
  readonly heads: number;
  readonly group: number;
  /** Multiply-accumulates, the heads' included. */
  readonly macs: number;
}

/** What of a network's gradients is wanted. */
export interface BackwardRequest {
  readonly mode: Mode;
  /** Only `atrous` has more than one head: that of the own phase, whose gradients are the pooled network's, or those of all phases. */
  readonly heads: Heads;
  /** `atrous`: spacing of the points of the maps in front of the head. */
  readonly outputStride: number;
  /** Nodes at whose output the gradient is wanted. */
  readonly layers: readonly NodeId[];
  /** Whether the activations of these nodes are wanted too. */
  readonly activations: boolean;
  readonly input: boolean;
  readonly weights: boolean;
  /** As `SUBTREE_BYTES`. */
  readonly subtreeBytes?: number;
}

/**
 * Plans a gradient as a walk over the phase tree, the same tree as the forward pass has. A visit computes the nodes of one level and keeps
 * what their gradients read, lets its children add to the gradients of the maps that they read, and goes back through its nodes; then its
 * maps are dropped. So only the maps of one path live at a time. Nothing is computed twice, except in `dilated`, where the head needs all
 * points first: there an ordinary forward pass comes before, and the walk computes all but the last nodes again.
 *
 * @throws AtrousCamError UNSUPPORTED for a mode that the network does not have
 */
export const planBackward = (layout: Layout, request: BackwardRequest): BackwardPlan =>
  new BackwardWalk(layout, request).plan();

/** The gradient at a map. */
interface Gradient {
  readonly placed: Placed;
  /** Whether something was written to it; shared by views of the same points. */
  readonly state: { begun: boolean };
}

type Gradients = Map<NodeId, Gradient>;

/** Activations whose output tells their derivative. */
const isToldByOutput = (node: Node): boolean =>
  node.op === 'activation' &&
  (clipOf(node.activation) !== undefined || (node.activation.f === 'leaky-relu' && node.activation.slope > 0));

class BackwardWalk extends Walk {
  readonly #take: ReadonlySet<NodeId>;
  /** Nodes at whose output the gradient is needed, and those whose own gradient is computed. */
  readonly #back: ReadonlySet<NodeId>;
  readonly #through: ReadonlySet<NodeId>;
  /** Nodes whose maps gradients read. */
  readonly #kept: ReadonlySet<NodeId>;
  readonly #needed: ReadonlySet<NodeId>;
  /** Whether there are other phases than the own one. */
  readonly #many: boolean;
  readonly #spacing: number;
  /** `dilated`: gradients at whole maps, found before the walk. */
  #stored: ReadonlyMap<NodeId, Placed> | undefined;
  /** The lattice of each level on the path that is walked. */
  readonly #path: Lattice[] = [];

  constructor(
    layout: Layout,
    readonly request: BackwardRequest,
  ) {
    super(layout, engineMode(layout, request.mode), request.subtreeBytes);
    const { heads, outputStride, layers, activations, input, weights } = request;
    const { graph, frontier } = layout;
    this.#take = new Set(layers);
    const leading = this.closure(frontier);
    const back = new Set<NodeId>();
    const through = new Set<NodeId>();
    for (const [id, node] of graph.nodes.entries()) {
      if (!leading.has(id)) continue;
      const further = node.from.some((from) => back.has(from));
      const trained = weights && Object.keys(weightShapes(graph, node)).length > 0;
      if (further || trained) through.add(id);
      if (further || trained || this.#take.has(id) || (input && id === 0)) back.add(id);
    }
    this.#back = back;
    this.#through = through;
    const twice = this.mode === 'dilated' && !this.isWhole;
    const walked = [...through].filter((id) => !(twice && this.#isDoneFirst(id)));
    this.#kept = new Set(walked.flatMap((id) => this.#keeps(id)));
    const shown = activations ? layers.filter((id) => !(twice && frontier.includes(id))) : [];
    this.#needed = this.closure([...(twice ? [] : frontier), ...this.#kept, ...shown]);
    this.#many = this.mode === 'dilated' || (this.mode === 'atrous' && heads !== 'one');
    const last = layout.levels[this.mode === 'pooled' ? layout.levels.length - 1 : this.#lastLevel].stride;
    this.#spacing = this.mode === 'dilated' ? 1 : this.#many ? outputStride : last;
  }

  plan(): BackwardPlan {
    const { graph, placings } = this.layout;
    const inputGradient = this.request.input ? this.allocFor(0, ORIGIN) : undefined;
    const twice = this.mode === 'dilated' && !this.isWhole;
    const input = twice ? this.#firstPass() : this.allocFor(0, ORIGIN);
    const gradients: Gradients = new Map();
    if (inputGradient) gradients.set(0, { placed: inputGradient, state: { begun: false } });
    if (!twice || this.#through.size > 0) this.#visit(0, ORIGIN, new Map([[0, input]]), gradients);
    const groups = this.steps.map((step) => (step.op === 'head' ? step.rate ** 2 : 0));
    const heads = groups.reduce((sum, count) => sum + count, 0);
    const once = headMacs(graph, (id) => placings[id].head);
    return {
      steps: this.steps,
      input: input.view,
      inputGradient: inputGradient?.view,
      bytes: this.memory.peak,
      heads,
      group: Math.max(...groups),
      macs:
        this.steps.reduce((sum, step) => sum + stepMacs(graph, step), 0) + heads * once * (this.#back.size > 0 ? 2 : 1),
    };
  }

  get #lastLevel(): number {
    return Math.max(0, ...this.layout.frontier.map((id) => this.levelOf(id)));
  }

  /** The maps that a node's gradient reads. */
  #keeps(id: NodeId): NodeId[] {
    const node = this.node(id);
    const { weights } = this.request;
    switch (node.op) {
      case 'conv':
      case 'dense':
      case 'affine':
        return weights ? [node.from[0]] : [];
      case 'pool':
      case 'global':
        return node.kind === 'max' ? [node.from[0]] : [];
      case 'activation':
        return isToldByOutput(node) ? [id] : [node.from[0]];
      case 'layer-norm':
        return [node.from[0]];
      case 'multiply':
        return [...node.from];
      default:
        return [];
    }
  }

  /** `dilated`: whether the gradient of an activation in front of the head is found at its whole map, before the walk. */
  #isDoneFirst(id: NodeId): boolean {
    const { frontier, readers, placings } = this.layout;
    const isLast = frontier.includes(id) && readers[id].every((reader) => placings[reader].head);
    return isLast && this.#through.has(id) && isToldByOutput(this.node(id));
  }

  /** `dilated`: forward to the whole maps in front of the head, the head, and the gradients there, which stay. Returns the input. */
  #firstPass(): Placed {
    const { frontier } = this.layout;
    const { activations } = this.request;
    const wanted = new Map(
      frontier.filter((id) => this.#back.has(id)).map((id) => [id, this.allocFor(id, ORIGIN)] as const),
    );
    const { whole, input } = walkToFrontier(this.layout, [], this);
    for (const id of frontier) if (activations) this.#taken('activation', id, whole.get(id)!);
    this.#head(ORIGIN, whole, wanted, () => false);
    const stored = new Map<NodeId, Placed>();
    for (const [id, gradient] of wanted) {
      this.#taken('gradient', id, gradient);
      if (this.#isDoneFirst(id)) {
        const { view } = gradient;
        const x = [whole.get(id)!.view];
        this.steps.push({
          op: 'gradient',
          node: id,
          x,
          dy: view,
          dx: [view],
          accumulate: [false],
          call: { rate: 1 },
          weights: false,
          at: ORIGIN,
        });
        stored.set(this.node(id).from[0], gradient);
      } else stored.set(id, gradient);
    }
    for (const placed of whole.values()) this.release(placed);
    this.#stored = stored;
    return input;
  }

  /** A level's nodes on one lattice and all below them; `above` and `gradients` are the maps of the levels before. */
  #visit(level: number, at: Lattice, above: Live, gradients: Gradients): void {
    this.#path[level] = at;
    const live: Live = new Map(above);
    const here: Gradients = new Map(gradients);
    const mine = this.layout.levels[level].nodes;
    this.#forward(level, at, mine, live);
    this.#prepare(level, at, mine, here);
    if (!this.#stored && level === this.#lastLevel) this.#heads(at, live, here);
    this.#descend(level, at, live, here);
    for (const id of mine) if (here.has(id) && !gradients.has(id)) this.#begin(here.get(id)!);
    for (const id of [...mine].reverse()) if (this.#back.has(id)) this.#backward(id, at, live, here);
    for (const [id, placed] of live) if (!above.has(id)) this.release(placed);
    for (const [id, { placed }] of here) if (!gradients.has(id)) this.release(placed);
  }

  #forward(level: number, at: Lattice, mine: readonly NodeId[], live: Live): void {
    const needed = mine.filter((id) => this.#needed.has(id));
    const pending = new Map(needed.map((id) => [id, this.#readersOf(id, level)]));
    const apart = new Set([...this.#take, ...this.#kept]);
    this.compute(at, live, pending, { apart, onMap: (id, map) => this.#takenActivation(id, map) });
  }

  /** Readers of a map in its own visit; infinitely many where children, the head or a gradient read it. */
  #readersOf(id: NodeId, level: number): number {
    const { readers, placings, frontier } = this.layout;
    const mine = readers[id].filter((reader) => this.#needed.has(reader) && !placings[reader].head);
    const later = this.#kept.has(id) || frontier.includes(id) || mine.some((reader) => this.levelOf(reader) > level);
    return later ? Number.POSITIVE_INFINITY : mine.length;
  }

  #takenActivation(id: NodeId, placed: Placed): void {
    const before = this.#stored && this.layout.frontier.includes(id); // the first pass has taken it
    if (this.request.activations && !before) this.#taken('activation', id, placed);
  }

  #taken(what: 'activation' | 'gradient', node: NodeId, { view: x, at }: Placed): void {
    if (this.#take.has(node)) this.steps.push({ op: 'take', what, node, x, at });
  }

  /** The gradients that are written from below, or were found before. */
  #prepare(level: number, at: Lattice, mine: readonly NodeId[], here: Gradients): void {
    const { readers } = this.layout;
    for (const id of mine) {
      if (!this.#back.has(id)) continue;
      const stored = this.#stored?.get(id);
      if (stored) here.set(id, { placed: this.part(stored, at), state: { begun: true } });
      const deeper = readers[id].filter((reader) => this.#isDeeper(reader, level));
      if (deeper.length === 0) continue;
      const gradient = this.#gradientOf(id, here);
      const views = deeper.filter((reader) => this.geometry.isView(this.node(reader)));
      if (views.length > 0 && deeper.length > 1) this.#begin(gradient);
    }
  }

  #isDeeper(reader: NodeId, level: number): boolean {
    const { level: at, head } = this.layout.placings[reader];
    return !head && at > level && this.#back.has(reader);
  }

  /** The gradient at a node's output, on the lattice that its level has at present; made if it is not there yet. */
  #gradientOf(id: NodeId, here: Gradients): Gradient {
    const there = here.get(id);
    if (there) return there;
    const node = this.node(id);
    const at = this.#path[this.levelOf(id)];
    if (this.geometry.isView(node)) {
      const { placed, state } = this.#gradientOf(node.from[0], here);
      const same = placed.at.unit === at.unit;
      const made = { placed: this.part(placed, at), state: same ? state : { ...state } };
      here.set(id, made);
      return made;
    }
    const made = { placed: this.allocFor(id, at), state: { begun: false } };
    here.set(id, made);
    return made;
  }

  /** Zeros, where nothing was written. */
  #begin({ placed, state }: Gradient): void {
    if (!state.begun) this.steps.push({ op: 'copy', y: placed.view, accumulate: false });
    state.begun = true;
  }

  #heads(at: Lattice, live: Live, here: Gradients): void {
    const wanted = new Map(
      this.layout.frontier
        .filter((id) => this.#back.has(id))
        .map((id) => [id, this.#gradientOf(id, here).placed] as const),
    );
    this.#head(at, live, wanted, (id) => here.get(id)!.state.begun);
    for (const id of wanted.keys()) here.get(id)!.state.begun = true;
  }

  #head(at: Lattice, live: Live, wanted: ReadonlyMap<NodeId, Placed>, begun: (id: NodeId) => boolean): void {
    const x = new Map(this.layout.frontier.map((id) => [id, live.get(id)!.view]));
    const dx = new Map([...wanted].map(([id, { view }]) => [id, view]));
    for (const id of wanted.keys()) if (begun(id)) throw new Error('internal: a gradient before the head');
    this.steps.push({ op: 'head', x, ...(dx.size > 0 && { dx }), rate: this.vectorRate(at), at });
  }

  #descend(level: number, at: Lattice, live: Live, here: Gradients): void {
    const { geometry } = this;
    const deeper = new Set([...this.#needed, ...this.#through]);
    if (!this.hasDeeper(level, deeper)) return;
    const [group] = childLattices(geometry, level, at, this.#spacing, true);
    const together =
      this.isWhole ||
      (this.#many && (at.rate > 1 || (this.isGroup(group, this.#spacing) && this.isSmall(level + 1, group, deeper))));
    const children = together ? [group] : childLattices(geometry, level, at, this.#spacing, false);
    for (const child of this.#many ? children : children.slice(0, 1)) this.#visit(level + 1, child, live, here);
    for (const id of this.layout.levels[level].nodes) {
      const gradient = here.get(id);
      const viewed = this.layout.readers[id].some((reader) => this.#isDeeper(reader, level));
      if (gradient && viewed && this.mode === 'dilated' && !this.isWhole) gradient.state.begun = true;
    }
  }

  /** From the gradient at a node's output to those at its inputs and weights. */
  #backward(id: NodeId, at: Lattice, live: Live, here: Gradients): void {
    const node = this.node(id);
    const gradient = here.get(id);
    if (!gradient) return;
    const isStored = this.#stored !== undefined && this.layout.frontier.includes(id);
    if (!isStored) this.#taken('gradient', id, gradient.placed);
    if (!this.#through.has(id) || this.geometry.isView(node)) return;
    const kept = new Set(this.#keeps(id));
    const told = isToldByOutput(node);
    const x = told
      ? [live.get(id)!.view]
      : node.from.map((from) => (kept.has(from) ? live.get(from)?.view : undefined));
    const [dx, accumulate] = this.#targets(node, gradient, at, here);
    const { view: dy } = gradient.placed;
    const source = this.#path[this.levelOf(node.from[0])];
    const weights = this.request.weights && Object.keys(weightShapes(this.layout.graph, node)).length > 0;
    const call = this.callOf(node, source, at);
    this.steps.push({ op: 'gradient', node: id, x, dy, dx, accumulate, call, weights, at });
    here.delete(id);
    this.release(gradient.placed);
  }

  /** Where the gradients at a node's inputs go, and whether they are added to what is there. */
  #targets(node: Node, gradient: Gradient, at: Lattice, here: Gradients): [(View | undefined)[], boolean[]] {
    const accumulate: boolean[] = [];
    const dx = node.from.map((from, i) => {
      accumulate[i] = false;
      if (!this.#back.has(from)) return undefined;
      const repeated = node.from.indexOf(from) < i;
      const fresh = i === 0 && IN_PLACE.includes(node.op) && !here.has(from) && !this.geometry.isView(this.node(from));
      if (fresh && this.#path[this.levelOf(from)] === at) {
        gradient.placed.owner.uses++;
        here.set(from, { placed: gradient.placed, state: { begun: true } });
        return gradient.placed.view;
      }
      const { placed, state } = this.#gradientOf(from, here);
      accumulate[i] = state.begun || repeated;
      state.begun = true;
      return placed.view;
    });
    return [dx, accumulate];
  }
}
