import type { Graph, HeadKind, Node, NodeId } from '../graph/graph.js';
import { layoutOf } from '../graph/levels.js';
import type { PackedNetwork } from '../run/packed-network.js';
import { CURVATURE_PASSES } from './sampling.js';
import type { Outcome, Work } from './work.js';

/**
 * ShapleyCAM (Cai 2025, arXiv 2501.06261): Grad-CAM's weights less half of the mean of H A, H the Hessian of y: a channel's Shapley value to
 * second order. Returns that half, of the network's own head, or nothing where it is 0: behind the layer only piecewise linear operations,
 * and a score that is one of the logits. Where only the score bends, H A is one gradient more, of the score that its own Hessian
 * gives; elsewhere the derivative of the gradient along A, by central differences, in which corners (ReLU) close by count too.
 */
export async function halfCurvature(work: Work, layer: NodeId): Promise<Float64Array | undefined> {
  const { network, request } = work;
  const outcome = await work.outcome();
  const isPiecewise = isPiecewiseLinear(network.graph, layer);
  if (isPiecewise && isLinear(request.subject.score, outcome)) {
    for (let i = 0; i < CURVATURE_PASSES; i++) work.advance();
    return undefined;
  }
  const { arena } = work.runtime;
  const { c } = network.graph.nodes[layer].shape;
  const mark = arena.mark();
  try {
    const at = { scale: arena.alloc(4 * c), shift: arena.alloc(4 * c) };
    arena.f32(at.shift, c).fill(0);
    const scaled = withScale(network, layer, at);
    const atScale = async (layers: readonly NodeId[], scale: number) => {
      arena.f32(at.scale, c).fill(scale);
      return work.ownGradients(layers, { network: scaled });
    };
    if (isPiecewise) return await ofScore(work, layer, outcome, atScale);
    return await halfMean(c, async (steps) => {
      const { layers } = await atScale([layer + 1], 1 + steps * STEP);
      return layers.get(layer + 1)!;
    });
  } finally {
    arena.release(mark);
  }
}

type AtScale = (layers: readonly NodeId[], scale: number) => ReturnType<Work['ownGradients']>;

/** By how much the layer is scaled: exact in float32, and its fourth power is what float32 cannot tell. */
const STEP = 1 / 32;
/** By how much where the logits alone are asked for, which have corners but no curvature. */
const SMALL_STEP = 1 / 4096;
/** Steps, and the values' shares of the derivative. */
const DIFFERENCES = [
  [-2, 1 / 12],
  [-1, -8 / 12],
  [1, 8 / 12],
  [2, -1 / 12],
] as const;

/** Half of the mean over points of the derivative of a gradient by the scale of the layer. */
async function halfMean(
  channels: number,
  gradientAt: (steps: number) => Promise<{ gradient: Float32Array }>,
): Promise<Float64Array> {
  const sums = new Float64Array(channels);
  for (const [steps, share] of DIFFERENCES) {
    const { gradient } = await gradientAt(steps);
    const factor = (share * channels) / (2 * STEP * gradient.length);
    for (let i = 0; i < gradient.length; i++) sums[i % channels] += factor * gradient[i];
  }
  return sums;
}

/** The same where the logits z are piecewise linear: u = dz along A, then the gradient with d(dy/dz) along u in place of dy/dz. */
async function ofScore(work: Work, layer: NodeId, { logits }: Outcome, atScale: AtScale): Promise<Float64Array> {
  const { score } = work.request.subject;
  const { head, nodes } = work.network.graph;
  const above = (await atScale([], 1 + SMALL_STEP)).logits;
  const below = (await atScale([], 1 - SMALL_STEP)).logits;
  const u = Float64Array.from(above, (z, i) => (z - below[i]) / (2 * SMALL_STEP));
  const unit = STEP / u.reduce((most, value) => Math.max(most, Math.abs(value)), 1e-30);
  const seed = new Float64Array(u.length);
  for (const [steps, share] of DIFFERENCES) {
    const z = logits.map((value, i) => value + steps * unit * u[i]);
    const { gradient } = score(z, probabilitiesOf(z, head));
    for (let i = 0; i < seed.length; i++) seed[i] += (share / unit) * gradient[i];
  }
  const value = { value: 0, gradient: Float32Array.from(seed) };
  const { gradient } = (await work.ownGradients([layer], { score: () => value })).layers.get(layer)!;
  work.advance();
  const { c } = nodes[layer].shape;
  const sums = new Float64Array(c);
  for (let i = 0; i < gradient.length; i++) sums[i % c] += (gradient[i] * c) / (2 * gradient.length);
  return sums;
}

function probabilitiesOf(logits: Float32Array, head: HeadKind): Float32Array {
  if (head === 'sigmoid') return logits.map((z) => 1 / (1 + Math.exp(-z)));
  const most = logits.reduce((a, b) => Math.max(a, b));
  const total = logits.reduce((sum, z) => sum + Math.exp(z - most), 0);
  return logits.map((z) => Math.exp(z - most) / total);
}

/** The network with a factor for each channel behind a layer, for all that read it. Nodes behind it have numbers one higher. */
function withScale(network: PackedNetwork, layer: NodeId, at: { scale: number; shift: number }): PackedNetwork {
  const { nodes, logits } = network.graph;
  const moved = (id: NodeId) => (id < layer ? id : id + 1);
  const { shape, name } = nodes[layer];
  const scale: Node = { op: 'affine', name: `${name} scaled`, aliases: [], from: [layer], shape };
  const behind = nodes.slice(layer + 1).map((node) => ({ ...node, from: node.from.map(moved) }));
  const graph: Graph = {
    ...network.graph,
    nodes: [...nodes.slice(0, layer + 1), scale, ...behind],
    logits: moved(logits),
  };
  const packed = [...network.packed.slice(0, layer + 1), { at }, ...network.packed.slice(layer + 1)];
  return { ...network, graph, layout: layoutOf(graph), packed };
}

const LINEAR: readonly Node['op'][] = ['conv', 'pool', 'global', 'dense', 'affine', 'add', 'concat', 'channels'];
const CORNERED: readonly string[] = ['relu', 'clip', 'leaky-relu', 'prelu', 'hard-sigmoid'];

/** Whether the logits are a piecewise linear function of a layer. */
function isPiecewiseLinear({ nodes }: Graph, layer: NodeId): boolean {
  const behind = new Set([layer]);
  for (const [id, node] of nodes.entries()) {
    const inputs = node.from.filter((from) => behind.has(from)).length;
    if (inputs === 0) continue;
    behind.add(id);
    const isOne = node.op === 'multiply' && inputs === 1;
    const isCornered = node.op === 'activation' && CORNERED.includes(node.activation.f);
    if (!LINEAR.includes(node.op) && !isOne && !isCornered) return false;
  }
  return true;
}

/** Whether a score's gradient is the same for all logits, as far as three choices of them tell. */
function isLinear(score: Work['request']['subject']['score'], { logits, probabilities }: Outcome): boolean {
  const [own, ...others] = [
    score(logits, probabilities),
    score(
      logits.map((z) => z / 2),
      probabilities.map((p) => (p + 1) / 3),
    ),
    score(logits.slice().reverse(), probabilities.slice().reverse()),
  ].map(({ gradient }) => gradient);
  return others.every((gradient) => gradient.every((g, i) => g === own[i]));
}
