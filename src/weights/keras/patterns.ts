import type { Activation, NodeId } from '../../graph/graph.js';
import type { NetworkBuilder, Uniform } from '../network-builder.js';

/** Activations that models write as sums and products of simpler ones. */

/** An activation in the place of several nodes. */
interface Step {
  readonly x: NodeId;
  readonly activation: Activation;
}

const near = (a: number, b: number): boolean => Math.abs(a - b) <= 1e-6 * Math.abs(b);

/** x times a sigmoid of x. */
export function gateOf({ builder: { nodes } }: NetworkBuilder, x: NodeId, gate: NodeId): Step | undefined {
  const node = nodes[gate];
  if (node.op !== 'activation' || node.from[0] !== x) return undefined;
  const { activation } = node;
  if (activation.f === 'sigmoid') return { x, activation: { f: 'silu' } };
  const isHard = activation.f === 'hard-sigmoid' && near(activation.slope, 1 / 6) && near(activation.offset, 0.5);
  return isHard ? { x, activation: { f: 'hard-swish' } } : undefined;
}

/** ReLU6(x + 3) / 6, and whatever else is min(max(a x + b, 0), high) / high. */
export function hardSigmoidOf(net: NetworkBuilder, clipped: NodeId, { scale, shift }: Uniform): Step | undefined {
  const { nodes } = net.builder;
  const clip = nodes[clipped];
  if (clip.op !== 'activation' || clip.activation.f !== 'clip') return undefined;
  const { low, high } = clip.activation;
  const inner = net.uniformOf(clip.from[0]);
  if (!inner || low !== 0 || shift !== 0 || !near(high * scale, 1)) return undefined;
  const [x] = nodes[clip.from[0]].from;
  return { x, activation: { f: 'hard-sigmoid', slope: inner.scale * scale, offset: inner.shift * scale } };
}
