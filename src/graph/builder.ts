import { AtrousCamError } from '../base/errors.js';
import type { Activation, Graph, HeadKind, Node, NodeId, Operation, PoolKind, Shape, Window } from './graph.js';

/** More than any classifier that is known has. */
const LIMITS = { nodes: 10_000, taps: 64, stride: 64, side: 1 << 15, channels: 1 << 17, elements: 2 ** 31 };

/** What a node is called: a name of its own, and others that users know it by. */
export interface Names {
  name: string;
  aliases?: readonly string[];
}

/** A window as files state it. */
export interface WindowOptions {
  /** Rows and columns of taps. */
  size: readonly [number, number];
  /** 1 by default. */
  stride?: number;
  dilation?: number;
  /** `same`: as TensorFlow's SAME, ceil(side / stride) outputs, what padding is odd at the far side. Else [top, left, bottom, right]; 0 by default. */
  pad?: 'same' | 'same-lower' | readonly [number, number, number, number];
  /** The number of windows is rounded up instead of down (as PyTorch does, no window begins beyond the padded map). */
  ceil?: boolean;
}

/** Builds a graph node by node: finds shapes, and refuses what does not fit together, naming the node. */
export class GraphBuilder {
  readonly #nodes: Node[] = [];
  readonly #names = new Set<string>();
  readonly #vectors: boolean[] = [];

  /** The nodes so far. */
  get nodes(): readonly Node[] {
    return this.#nodes;
  }

  shape(id: NodeId): Shape {
    return this.#nodes[id].shape;
  }

  /** Whether a node makes one vector: a mean of the whole map, a dense layer, or what is made of them. A map of one point is none. */
  isVector(id: NodeId): boolean {
    return this.#vectors[id];
  }

  input(shape: Shape, names: Names): NodeId {
    return this.#add({ op: 'input' }, [], shape, names);
  }

  conv(x: NodeId, cout: number, options: WindowOptions & { groups?: number }, names: Names): NodeId {
    const { groups = 1 } = options;
    const { c } = this.shape(x);
    if (!(Number.isInteger(groups) && groups >= 1) || c % groups !== 0 || cout % groups !== 0)
      throw wrong(names.name, `${groups} groups do not divide ${c} input and ${cout} output channels`);
    // A convolution of one tap on a vector is a dense layer.
    if (this.isVector(x) && groups === 1 && options.size[0] === 1 && options.size[1] === 1)
      return this.dense(x, cout, names);
    const { window, h, w } = this.#window(x, options, names.name);
    return this.#add({ op: 'conv', window, groups }, [x], { h, w, c: cout }, names);
  }

  /** A pool over the whole map is a mean or maximum of it, not a map of one point. */
  pool(x: NodeId, kind: PoolKind, options: WindowOptions & { beyond?: 'nothing' | 'zero' }, names: Names): NodeId {
    const { window, h, w } = this.#window(x, options, names.name);
    const { beyond = 'nothing' } = options;
    const shape = this.shape(x);
    const { rows, columns, top, left, dilation } = window;
    const covers = rows === shape.h && columns === shape.w && top === 0 && left === 0 && dilation === 1;
    if (covers && rows * columns > 1 && h === 1 && w === 1) return this.global(x, kind, names);
    return this.#add({ op: 'pool', kind, window, beyond }, [x], { h, w, c: shape.c }, names);
  }

  global(x: NodeId, kind: PoolKind, names: Names): NodeId {
    return this.#add({ op: 'global', kind }, [x], { h: 1, w: 1, c: this.shape(x).c }, names);
  }

  dense(x: NodeId, out: number, names: Names): NodeId {
    return this.#add({ op: 'dense' }, [x], { h: 1, w: 1, c: out }, names);
  }

  affine(x: NodeId, names: Names): NodeId {
    return this.#add({ op: 'affine' }, [x], this.shape(x), names);
  }

  layerNorm(x: NodeId, epsilon: number, names: Names): NodeId {
    return this.#add({ op: 'layer-norm', epsilon }, [x], this.shape(x), names);
  }

  activation(x: NodeId, activation: Activation, names: Names): NodeId {
    return this.#add({ op: 'activation', activation }, [x], this.shape(x), names);
  }

  /** Sum or product of two; a 1 x 1 operand is spread over the other one, and then comes second. */
  combine(op: 'add' | 'multiply', a: NodeId, b: NodeId, names: Names): NodeId {
    const isVector = ({ h, w }: Shape) => h === 1 && w === 1;
    const [x, y] = isVector(this.shape(a)) && !isVector(this.shape(b)) ? [b, a] : [a, b];
    const [p, q] = [this.shape(x), this.shape(y)];
    if (p.c !== q.c || !(isVector(q) || (p.h === q.h && p.w === q.w)))
      throw wrong(names.name, `${op} of ${text(p)} and ${text(q)}`);
    return this.#add({ op }, [x, y], p, names);
  }

  concat(from: readonly NodeId[], names: Names): NodeId {
    const shapes = from.map((id) => this.shape(id));
    const [{ h, w }] = shapes;
    if (shapes.some((shape) => shape.h !== h || shape.w !== w))
      throw wrong(names.name, `concatenation of ${shapes.map(text).join(' and ')}`);
    return this.#add({ op: 'concat' }, [...from], { h, w, c: shapes.reduce((sum, { c }) => sum + c, 0) }, names);
  }

  channels(x: NodeId, order: readonly number[], names: Names): NodeId {
    const { h, w, c } = this.shape(x);
    if (order.some((k) => !Number.isInteger(k) || k < -1 || k >= c))
      throw wrong(names.name, `there is no such channel among ${c}`);
    return this.#add({ op: 'channels', order: [...order] }, [x], { h, w, c: order.length }, names);
  }

  finish(logits: NodeId, head: HeadKind): Graph {
    const { h, w } = this.shape(logits);
    if (h !== 1 || w !== 1)
      throw wrong(
        this.#nodes[logits].name,
        `the network ends in a map of ${h} x ${w} points, not in one number a class`,
      );
    return { nodes: this.#nodes, logits, head };
  }

  #window(
    x: NodeId,
    { size, stride = 1, dilation = 1, pad = [0, 0, 0, 0], ceil = false }: WindowOptions,
    name: string,
  ) {
    const [rows, columns] = size;
    const whole = (value: number, most: number) => Number.isInteger(value) && value >= 1 && value <= most;
    if (!whole(rows, LIMITS.taps) || !whole(columns, LIMITS.taps))
      throw wrong(name, `a window of ${rows} x ${columns}; expected 1 to ${LIMITS.taps} a side`);
    if (!whole(stride, LIMITS.stride) || !whole(dilation, LIMITS.taps * LIMITS.stride))
      throw wrong(name, `stride ${stride} and dilation ${dilation}`);
    const { h, w } = this.shape(x);
    const along = (side: number, taps: number, before: number, after: number) => {
      const reach = dilation * (taps - 1) + 1;
      if (pad === 'same' || pad === 'same-lower') {
        const count = Math.ceil(side / stride);
        const padding = Math.max(0, (count - 1) * stride + reach - side);
        return { count, before: pad === 'same' ? Math.floor(padding / 2) : Math.ceil(padding / 2) };
      }
      if (!Number.isSafeInteger(before) || !Number.isSafeInteger(after))
        throw wrong(name, `padding ${before}, ${after}`);
      const room = side + before + after - reach;
      let count = Math.floor(room / stride) + 1;
      if (ceil && room % stride !== 0 && count * stride < side + before) count++;
      return { count, before };
    };
    const [top, left, bottom, right] = typeof pad === 'string' ? [0, 0, 0, 0] : pad;
    const down = along(h, rows, top, bottom);
    const across = along(w, columns, left, right);
    if (!(down.count >= 1) || !(across.count >= 1))
      throw wrong(
        name,
        `a window of ${rows} x ${columns} does not fit into a map of ${h} x ${w}; the input is too small`,
      );
    const window: Window = { rows, columns, stride, dilation, top: down.before, left: across.before };
    return { window, h: down.count, w: across.count };
  }

  #add(operation: Operation, from: readonly NodeId[], shape: Shape, { name, aliases = [] }: Names): NodeId {
    const { h, w, c } = shape;
    const sizes = [
      [h, LIMITS.side],
      [w, LIMITS.side],
      [c, LIMITS.channels],
    ];
    if (sizes.some(([n, most]) => !Number.isInteger(n) || n < 1 || n > most) || h * w * c > LIMITS.elements)
      throw wrong(name, `a map of ${text(shape)}`);
    if (this.#nodes.length >= LIMITS.nodes) throw wrong(name, `more than ${LIMITS.nodes} operations`);
    if (this.#names.has(name)) throw wrong(name, 'the name stands twice');
    this.#names.add(name);
    this.#nodes.push({ ...operation, name, aliases, from, shape });
    const isMade = operation.op === 'global' || operation.op === 'dense';
    this.#vectors.push(isMade || (h === 1 && w === 1 && from.length > 0 && from.every((id) => this.#vectors[id])));
    return this.#nodes.length - 1;
  }
}

const text = ({ h, w, c }: Shape): string => `${h} x ${w} x ${c}`;

const wrong = (name: string, what: string): AtrousCamError =>
  new AtrousCamError('BAD_WEIGHTS', `node "${name}": ${what}`);
