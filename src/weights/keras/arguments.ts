import type { LayerCall, Value } from './call.js';
import type { Argument } from './config.js';

/** What an operator is called with: in order, by name, or (Keras 3) among what its layer was made with. */
export class Arguments {
  constructor(readonly call: LayerCall) {}

  /** What flows in. */
  value(index: number, ...names: readonly string[]): Value {
    const operand = this.operand(index, ...names);
    if ('constant' in operand) throw this.#missing(index);
    return operand;
  }

  /** What flows in, or a constant. */
  operand(index: number, ...names: readonly string[]): Value | { constant: unknown } {
    const argument = this.#find(index, names);
    if (!argument || 'list' in argument) throw this.#missing(index);
    return 'ref' in argument ? this.call.input(argument.ref) : { constant: argument.value };
  }

  /** A list of what flows in. */
  values(index: number, ...names: readonly string[]): Value[] {
    const argument = this.#find(index, names);
    if (!argument || !('list' in argument)) throw this.#missing(index);
    return argument.list.map((item) => {
      if (!('ref' in item)) throw this.#missing(index);
      return this.call.input(item.ref);
    });
  }

  /** A constant; undefined where there is none. */
  constant(index: number, ...names: readonly string[]): unknown {
    const argument = this.#find(index, names);
    if (argument) return 'value' in argument ? argument.value : undefined;
    return names.map((name) => this.call.settings.raw(name)).find((value) => value !== undefined);
  }

  #find(index: number, names: readonly string[]): Argument | undefined {
    const { args, named } = this.call.call;
    return args[index] ?? names.map((name) => named.get(name)).find((argument) => argument !== undefined);
  }

  #missing(index: number): Error {
    return this.call.settings.damaged(`its argument ${index + 1} is not what it takes`);
  }
}
