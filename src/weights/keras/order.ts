import { badWeights, quote } from '../source.js';
import { type KerasLayer, type KerasModel, type Ref, refsOf } from './config.js';

/** One call of a layer, by its number. */
type Step = readonly [KerasLayer, number];

/**
 * The calls of layers that lead to a model's outputs, each after those that it reads, as near to the file's order as that allows. Throws
 * BAD_WEIGHTS where layers read each other in a circle or one that is not there. Without recursion, for files may be as deep as they like.
 */
export function computingOrder(source: string, model: KerasModel): Step[] {
  const stepOf = ({ layer: name, call }: Ref): Step => {
    const layer = model.layers.get(name);
    if (!layer) throw badWeights(source, `a layer reads ${quote(name)}, which is not in the model`);
    return [layer, layer.calls.length <= 1 ? 0 : call];
  };
  const inputsOf = ([layer, number]: Step): Step[] => {
    const call = layer.calls[number];
    if (call) return refsOf(call).map(stepOf);
    if (layer.className === 'InputLayer') return [];
    throw badWeights(source, `layer ${quote(layer.name)} has no call ${number}`);
  };
  const needed = new Set(sorted(source, model.outputs.map(stepOf), inputsOf).map(keyOf));
  const inOrder = [...model.layers.values()].flatMap((layer) =>
    (layer.calls.length === 0 ? [0] : [...layer.calls.keys()]).map((call): Step => [layer, call]),
  );
  return sorted(
    source,
    inOrder.filter((step) => needed.has(keyOf(step))),
    inputsOf,
  );
}

const keyOf = ([{ name }, call]: Step): string => `${call} ${name}`;

/** Depth first, each step behind its inputs. */
function sorted(source: string, starts: readonly Step[], inputsOf: (step: Step) => Step[]): Step[] {
  const order: Step[] = [];
  const state = new Map<string, 'open' | 'done'>();
  const stack: { step: Step; inputs: Step[] }[] = [];
  const enter = (step: Step) => {
    const key = keyOf(step);
    if (state.get(key) === 'done') return;
    if (state.get(key) === 'open') throw badWeights(source, `layer ${quote(step[0].name)} reads its own output`);
    state.set(key, 'open');
    stack.push({ step, inputs: inputsOf(step).reverse() });
  };
  for (const start of starts) {
    enter(start);
    for (let top = stack.at(-1); top; top = stack.at(-1)) {
      const next = top.inputs.pop();
      if (next) enter(next);
      else {
        stack.pop();
        state.set(keyOf(top.step), 'done');
        order.push(top.step);
      }
    }
  }
  return order;
}
