import type { NodeId } from '../../graph/graph.js';
import type { FunctionName, Layers, SqueezeOptions } from './layers.js';

/** A convolution and its normalization. */
export type ConvNorm = readonly [conv: string, norm: string];

/** A block of MobileNet, EfficientNet and MNASNet by the names of its layers. */
export interface InvertedResidual {
  readonly name: string;
  /** 1x1, or in fused blocks the convolution with the window and the stride. */
  readonly expand?: ConvNorm;
  readonly depthwise?: ConvNorm;
  readonly squeeze?: SqueezeOptions;
  readonly project?: ConvNorm;
  /** Of the depthwise convolution or, without one, of the expansion. */
  readonly taps: number;
  readonly stride: number;
  readonly activation: FunctionName;
  readonly epsilon?: number;
  /** Padding of windows of more than one tap. */
  readonly pad?: 'same';
  /** False where there is none although the sizes would allow it. */
  readonly skip?: boolean;
}

/** Expansion, depthwise convolution, squeeze and excitation, projection; and the sum with what came in, where the sizes are the same. */
export function invertedResidual(layers: Layers, x: NodeId, block: InvertedResidual): NodeId {
  const { name, expand, depthwise, squeeze, project, taps, stride, activation, epsilon, pad, skip = true } = block;
  const window = { taps, stride, pad };
  let y = x;
  if (expand) {
    const [conv, norm] = expand;
    y = layers.convNorm(y, { conv, norm, taps: 1, epsilon, activation, ...(depthwise ? {} : window) });
  }
  if (depthwise) {
    const [conv, norm] = depthwise;
    checkDepthwise(layers, conv);
    y = layers.convNorm(y, { conv, norm, grouped: true, epsilon, ...window, activation });
  }
  if (squeeze) y = layers.squeeze(y, squeeze);
  if (project) {
    const [conv, norm] = project;
    y = layers.convNorm(y, { conv, norm, taps: 1, epsilon });
  }
  const isSame = stride === 1 && layers.shape(x).c === layers.shape(y).c;
  return skip && isSame ? layers.add(y, x, name) : y;
}

function checkDepthwise({ tensors }: Layers, conv: string): void {
  const shape = tensors.shape(`${conv}.weight`);
  if (shape && shape[1] !== 1) throw tensors.notUnderstood(`${conv}.weight`, 'expected a depthwise convolution');
}
