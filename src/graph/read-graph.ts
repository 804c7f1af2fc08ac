import type { Activation, Graph, Node, NodeId, Window } from './graph.js';

/** What untrusted graphs may have at most; as in builder.ts. */
const LIMITS = {
  nodes: 10_000,
  taps: 64,
  stride: 64,
  reach: 1 << 20,
  side: 1 << 15,
  channels: 1 << 17,
  elements: 2 ** 31,
};

const FUNCTIONS: readonly Activation['f'][] = [
  'relu',
  'selu',
  'sigmoid',
  'tanh',
  'silu',
  'hard-swish',
  'softplus',
  'clip',
  'leaky-relu',
  'prelu',
  'elu',
  'hard-sigmoid',
  'gelu',
];

/**
 * A graph as JSON, checked: operations and sizes are such as the engine knows, and every node reads earlier ones.
 *
 * @throws Error that says what is wrong, without the file's name
 */
export function readGraph(value: unknown): Graph {
  const { nodes, logits, head, only } = record(value);
  if (!Array.isArray(nodes) || nodes.length === 0 || nodes.length > LIMITS.nodes)
    throw new Error(`expected 1 to ${LIMITS.nodes} nodes`);
  const read: Node[] = [];
  const names = new Set<string>();
  for (const node of nodes) {
    const made = readNode(record(node), read);
    if (names.has(made.name)) throw new Error(`the name "${made.name}" stands twice`);
    names.add(made.name);
    read.push(made);
  }
  if (head !== 'softmax' && head !== 'sigmoid') throw new Error('expected head to be softmax or sigmoid');
  if (only !== undefined && only !== 'dilated') throw new Error('expected only to be dilated');
  const last = whole(logits, 0, read.length - 1, 'logits');
  if (read[last].shape.h !== 1 || read[last].shape.w !== 1) throw new Error('the logits are no vector');
  return { nodes: read, logits: last, head, ...(only && { only }) };
}

function readNode(node: Record<string, unknown>, before: readonly Node[]): Node {
  const { name, aliases, from, op } = node;
  if (typeof name !== 'string' || name === '') throw new Error('a node has no name');
  const fail = (what: string) => new Error(`node "${name}": ${what}`);
  if (!Array.isArray(aliases) || !aliases.every((alias) => typeof alias === 'string')) throw fail('bad aliases');
  if (!Array.isArray(from)) throw fail('bad inputs');
  const inputs: NodeId[] = from.map((id) => whole(id, 0, before.length - 1, `an input of ${name}`));
  const size = record(node.shape);
  const shape = {
    h: whole(size.h, 1, LIMITS.side, `rows of ${name}`),
    w: whole(size.w, 1, LIMITS.side, `columns of ${name}`),
    c: whole(size.c, 1, LIMITS.channels, `channels of ${name}`),
  };
  if (shape.h * shape.w * shape.c > LIMITS.elements) throw fail('its map is too large');
  const base = { name, aliases, from: inputs, shape };
  const x = inputs.map((id) => before[id].shape);
  const counts = (least: number, most = least) => {
    if (inputs.length < least || inputs.length > most) throw fail(`${op} of ${inputs.length} inputs`);
  };
  const sameSize = (i = 0) => {
    if (x[i].h !== shape.h || x[i].w !== shape.w) throw fail('its size is not that of its input');
  };
  const sameChannels = (i = 0) => {
    if (x[i].c !== shape.c) throw fail('its channels are not those of its input');
  };
  switch (op) {
    case 'input':
      if (before.length > 0) throw fail('a second input');
      counts(0);
      return { ...base, op };
    case 'conv': {
      counts(1);
      const groups = whole(node.groups, 1, LIMITS.channels, `groups of ${name}`);
      if (x[0].c % groups !== 0 || shape.c % groups !== 0) throw fail('groups do not divide its channels');
      return { ...base, op, groups, window: readWindow(node.window, name) };
    }
    case 'pool': {
      counts(1);
      sameChannels();
      const kind = oneOf(node.kind, ['max', 'mean'] as const, name);
      const beyond = oneOf(node.beyond, ['nothing', 'zero'] as const, name);
      return { ...base, op, kind, beyond, window: readWindow(node.window, name) };
    }
    case 'global':
      counts(1);
      sameChannels();
      if (shape.h !== 1 || shape.w !== 1) throw fail('expected a vector');
      return { ...base, op, kind: oneOf(node.kind, ['max', 'mean'] as const, name) };
    case 'dense':
      counts(1);
      if (shape.h !== 1 || shape.w !== 1) throw fail('expected a vector');
      return { ...base, op };
    case 'affine':
      counts(1);
      sameSize();
      sameChannels();
      return { ...base, op };
    case 'layer-norm':
      counts(1);
      sameSize();
      sameChannels();
      return { ...base, op, epsilon: finite(node.epsilon, name) };
    case 'activation':
      counts(1);
      sameSize();
      sameChannels();
      return { ...base, op, activation: readActivation(record(node.activation), name) };
    case 'add':
    case 'multiply':
      counts(2);
      sameSize();
      sameChannels();
      sameChannels(1);
      if (x[1].h !== 1 || x[1].w !== 1) sameSize(1);
      return { ...base, op };
    case 'concat':
      counts(1, LIMITS.nodes);
      for (const i of inputs.keys()) sameSize(i);
      if (x.reduce((sum, { c }) => sum + c, 0) !== shape.c) throw fail('its channels are not those of its inputs');
      return { ...base, op };
    case 'channels': {
      counts(1);
      sameSize();
      const { order } = node;
      if (!Array.isArray(order) || order.length !== shape.c) throw fail('bad order of channels');
      return { ...base, op, order: order.map((k) => whole(k, -1, x[0].c - 1, `a channel of ${name}`)) };
    }
    default:
      throw fail(`unknown operation ${JSON.stringify(op)}`);
  }
}

function readWindow(value: unknown, name: string): Window {
  const { rows, columns, stride, dilation, top, left } = record(value);
  return {
    rows: whole(rows, 1, LIMITS.taps, `a window of ${name}`),
    columns: whole(columns, 1, LIMITS.taps, `a window of ${name}`),
    stride: whole(stride, 1, LIMITS.stride, `a window of ${name}`),
    dilation: whole(dilation, 1, LIMITS.taps * LIMITS.stride, `a window of ${name}`),
    top: whole(top, -LIMITS.reach, LIMITS.reach, `a window of ${name}`),
    left: whole(left, -LIMITS.reach, LIMITS.reach, `a window of ${name}`),
  };
}

function readActivation(value: Record<string, unknown>, name: string): Activation {
  const f = oneOf(value.f, FUNCTIONS, name);
  const number = (field: string) => finite(value[field], name);
  // Bounds without end are null in JSON.
  const bound = (field: string, otherwise: number) => (value[field] === null ? otherwise : number(field));
  switch (f) {
    case 'clip':
      return {
        f,
        low: bound('low', Number.NEGATIVE_INFINITY),
        high: bound('high', Number.POSITIVE_INFINITY),
      };
    case 'leaky-relu':
      return { f, slope: number('slope') };
    case 'elu':
      return { f, alpha: number('alpha') };
    case 'hard-sigmoid':
      return { f, slope: number('slope'), offset: number('offset') };
    case 'gelu':
      return { f, approximate: value.approximate === true };
    default:
      return { f };
  }
}

function record(value: unknown): Record<string, unknown> {
  if (typeof value !== 'object' || value === null) throw new Error('expected an object');
  return value as Record<string, unknown>;
}

function whole(value: unknown, least: number, most: number, what: string): number {
  if (!Number.isInteger(value) || (value as number) < least || (value as number) > most)
    throw new Error(`${what}: expected a whole number from ${least} to ${most}, got ${JSON.stringify(value)}`);
  return value as number;
}

function finite(value: unknown, name: string): number {
  if (typeof value !== 'number' || !Number.isFinite(value)) throw new Error(`node "${name}": expected a number`);
  return value;
}

function oneOf<T extends string>(value: unknown, allowed: readonly T[], name: string): T {
  if (!allowed.includes(value as T)) throw new Error(`node "${name}": expected ${allowed.join(', ')}`);
  return value as T;
}
