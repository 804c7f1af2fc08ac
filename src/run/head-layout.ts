import type { Mode } from '../base/types.js';
import type { NodeId } from '../graph/graph.js';
import { type View, view } from '../wasm/job.js';
import type { PackedNetwork } from './packed-network.js';

/** The maps in front of the head, one for each row, by node. */
export type FrontMaps = ReadonlyMap<NodeId, readonly View[]>;

/** `count` rows from `first` on: a row is one map's way through the head. */
export interface Rows {
  readonly first: number;
  readonly count: number;
}

/** Rows, with the maps that they begin at. */
export interface Batch extends Rows {
  readonly maps: FrontMaps;
}

/** How a head node's numbers lie in memory. */
interface Place {
  readonly h: number;
  readonly w: number;
  readonly c: number;
  /** Address of (rows, h, w, c); undefined where the numbers are those of another node or of the maps in front. */
  readonly ptr?: number;
  /** Whose numbers they are: its own, or those of the node in front, which it changes in place or only passes on. */
  readonly of: NodeId;
}

/** What the nodes behind the last maps are to each other, in one of the engine's modes. */
export class HeadLayout {
  /** The head's nodes in computing order. */
  readonly ids: readonly NodeId[];

  constructor(
    readonly network: PackedNetwork,
    readonly mode: Mode,
  ) {
    const { graph, placings } = network.layout;
    this.ids = graph.nodes.map((_, id) => id).filter((id) => placings[id].head);
  }

  /** Room for the numbers of all nodes, values or gradients; `alloc` gets floats a row and gives an address. */
  allocate(alloc: (floats: number) => number): HeadStorage {
    const { graph, readers, placings } = this.network.layout;
    const places = new Map<NodeId, Place>();
    for (const id of this.ids) {
      const node = graph.nodes[id];
      const [from] = node.from;
      const shape = this.#isFull(id) ? { ...graph.nodes[0].shape, c: node.shape.c } : node.shape;
      const told = node.op === 'activation' && (node.activation.f === 'relu' || node.activation.f === 'clip');
      const inPlace = told && placings[from].head && readers[from].length === 1 && places.get(from)?.ptr !== undefined;
      if (this.isPassed(id)) places.set(id, { ...shape, of: placings[from].head ? places.get(from)!.of : from });
      else if (inPlace) places.set(id, { ...places.get(from)!, of: places.get(from)!.of });
      else places.set(id, { ...shape, ptr: alloc(shape.h * shape.w * shape.c), of: id });
    }
    return new HeadStorage(places);
  }

  /** Whether a node only passes a map on: pools of `dilated`. */
  isPassed(id: NodeId): boolean {
    return this.mode === 'dilated' && this.network.graph.nodes[id].op === 'pool';
  }

  /** Whether a dense layer's input has to be made one row of numbers first. */
  isFlattening(id: NodeId): boolean {
    const { graph, placings } = this.network.layout;
    const node = graph.nodes[id];
    const [from] = node.from;
    return node.op === 'dense' && !placings[from].vector && (this.mode === 'dilated' || !placings[from].head);
  }

  /** Whether a node is the ReLU of the dense layer in front of it, in place. */
  isDenseRelu(id: NodeId): boolean {
    const { nodes } = this.network.graph;
    const node = nodes[id];
    return node.op === 'activation' && node.activation.f === 'relu' && nodes[node.from[0]].op === 'dense';
  }

  /** Floats of a row of a dense layer's input. */
  inputs(id: NodeId): number {
    const { nodes } = this.network.graph;
    const { h, w, c } = nodes[nodes[id].from[0]].shape;
    return h * w * c;
  }

  /** Head nodes that read a map in front, by way of what only passes it on. */
  readersOfMap(id: NodeId): NodeId[] {
    const { readers, placings } = this.network.layout;
    return readers[id]
      .filter((reader) => placings[reader].head)
      .flatMap((reader) => (this.isPassed(reader) ? this.readersOfMap(reader) : [reader]));
  }

  /** Whether the cells that a flattening layer sees of a map of `dilated` share points. */
  hasOverlaps(id: NodeId, { h, w }: View): boolean {
    if (this.mode !== 'dilated' || !this.isFlattening(id)) return false;
    const { nodes } = this.network.graph;
    const cells = nodes[nodes[id].from[0]].shape;
    return h % cells.h !== 0 || w % cells.w !== 0;
  }

  /** Whether a node's map has the input's size: those of `dilated` in front of the flatten. */
  #isFull(id: NodeId): boolean {
    return this.mode === 'dilated' && !this.network.layout.placings[id].vector;
  }
}

/** The numbers of all head nodes, values or gradients: (rows, h, w, c) each. */
export class HeadStorage {
  constructor(readonly places: ReadonlyMap<NodeId, Place>) {}

  /** Whose numbers a node has. */
  ownerOf(id: NodeId): NodeId {
    return this.places.get(id)!.of;
  }

  /** Whether a node's numbers are those of a map in front of the head. */
  isFront(id: NodeId): boolean {
    const place = this.places.get(id);
    return !place || !this.places.get(place.of);
  }

  /** Rows as one map: vectors as (1, rows, c), maps one below the other. */
  rows(id: NodeId, { first, count }: Rows): View {
    const { h, w, c, of } = this.places.get(id)!;
    const ptr = this.places.get(of)!.ptr! + 4 * first * h * w * c;
    return h === 1 && w === 1 ? view(ptr, 1, count, c) : view(ptr, count * h, w, c);
  }

  /** The map of row `row` of a batch: the head's own, or one in front. */
  map(id: NodeId, { maps, first }: Batch, row: number): View {
    const of = this.places.get(id)?.of ?? id;
    return this.places.get(of) ? this.own(of, first + row) : maps.get(of)![row];
  }

  /** The head's own map of a row. */
  own(id: NodeId, row: number): View {
    const { h, w, c, of } = this.places.get(id)!;
    return view(this.places.get(of)!.ptr! + 4 * row * h * w * c, h, w, c);
  }
}

/**
 * The parts of x that the cells of y stand for, and the cells: as near to equal as whole points allow, as adaptive
 * pools have them.
 */
export function cellsOf(x: View, y: View): [View, View][] {
  const bounds = (i: number, cells: number, side: number) => [
    Math.floor((i * side) / cells),
    Math.ceil(((i + 1) * side) / cells),
  ];
  return Array.from({ length: y.h * y.w }, (_, i) => {
    const [top, bottom] = bounds(Math.floor(i / y.w), y.h, x.h);
    const [left, right] = bounds(i % y.w, y.w, x.w);
    const part = { ...x, ptr: x.ptr + 4 * (top * x.row + left * x.pix), h: bottom - top, w: right - left };
    return [part, { ...y, ptr: y.ptr + 4 * (Math.floor(i / y.w) * y.row + (i % y.w) * y.pix), h: 1, w: 1 }];
  });
}
