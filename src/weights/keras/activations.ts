import type { Activation } from '../../graph/graph.js';
import type { KerasLayer } from './config.js';
import { onnx, Settings, say } from './settings.js';

/** What an activation of Keras does: nothing, a function of each element, or what only the head of a network has. */
export type KerasActivation = 'linear' | 'softmax' | Activation;

const clip = (low: number, high: number): Activation => ({ f: 'clip', low, high });

/** What Keras 2 and 3 agree on. */
const named: Readonly<Record<string, KerasActivation>> = {
  linear: 'linear',
  softmax: 'softmax',
  log_softmax: 'softmax', // its logits are the same
  relu: { f: 'relu' },
  relu6: clip(0, 6),
  sigmoid: { f: 'sigmoid' },
  tanh: { f: 'tanh' },
  hard_tanh: clip(-1, 1),
  swish: { f: 'silu' },
  silu: { f: 'silu' },
  hard_swish: { f: 'hard-swish' },
  hard_silu: { f: 'hard-swish' },
  gelu: { f: 'gelu', approximate: false },
  selu: { f: 'selu' },
  elu: { f: 'elu', alpha: 1 },
  celu: { f: 'elu', alpha: 1 },
  leaky_relu: { f: 'leaky-relu', slope: 0.2 },
  softplus: { f: 'softplus' },
};

/** The activation that a layer's `key` states: a name, or an activation layer. `keras3`: undefined where the file does not tell its version. */
export function activationOf(settings: Settings, key: string, keras3: boolean | undefined): KerasActivation {
  const value = settings.raw(key);
  if (value === null || value === undefined) return 'linear';
  if (typeof value === 'string') return byName(settings, value, keras3);
  const { class_name: className, config } = value as Record<string, unknown>;
  if (className === 'function' && typeof config === 'string' && isBuiltin(value as Record<string, unknown>))
    return byName(settings, config, keras3);
  if (typeof className === 'string' && className in layers && typeof config === 'object' && config !== null) {
    const layer: KerasLayer = { ...settings.layer, className, config: config as Record<string, unknown> };
    const inner = new Settings(settings.source, layer);
    const activation = layers[className](inner, keras3);
    inner.finish();
    return activation;
  }
  throw settings.unsupported(`its activation ${say(value)} is not known; ${onnx}`);
}

const isBuiltin = ({ module }: Record<string, unknown>): boolean =>
  typeof module !== 'string' || /^(keras|tf_keras|tensorflow|builtins)\b/.test(module);

/** By the name of one of Keras' functions. */
export function byName(settings: Settings, name: string, keras3: boolean | undefined): KerasActivation {
  if (name === 'hard_sigmoid') return hardSigmoid(settings, keras3);
  if (Object.hasOwn(named, name)) return named[name];
  throw settings.unsupported(`its activation ${say(name)} is not known; ${onnx}`);
}

function hardSigmoid(settings: Settings, keras3: boolean | undefined): Activation {
  if (keras3 === undefined)
    throw settings.unsupported(
      'hard_sigmoid is not the same function in Keras 2 and Keras 3, and the file does not say which Keras it is of; save the model anew',
    );
  return { f: 'hard-sigmoid', slope: keras3 ? 1 / 6 : 0.2, offset: 0.5 };
}

/** Activations that are layers, but for PReLU, which has weights. */
export const layers: Readonly<Record<string, (settings: Settings, keras3: boolean | undefined) => KerasActivation>> = {
  Activation: (settings, keras3) => activationOf(settings, 'activation', keras3),
  ReLU: relu,
  LeakyReLU: (settings) => {
    const slope = settings.number('negative_slope', settings.number('alpha', 0.3));
    return { f: 'leaky-relu', slope };
  },
  ELU: (settings) => ({ f: 'elu', alpha: settings.number('alpha', 1) }),
  Softmax: (settings) => {
    settings.raw('axis'); // looked at where the rank is known
    return 'softmax';
  },
};

function relu(settings: Settings): Activation {
  const slope = settings.number('negative_slope', 0);
  const threshold = settings.number('threshold', 0);
  const most = settings.raw('max_value') ?? undefined;
  if (threshold !== 0) throw settings.unsupported(`its threshold is ${threshold}; only 0 is supported`);
  if (most === undefined) return slope === 0 ? { f: 'relu' } : { f: 'leaky-relu', slope };
  if (slope !== 0) throw settings.unsupported('it has both a negative_slope and a max_value, which is not supported');
  return clip(0, settings.number('max_value'));
}
