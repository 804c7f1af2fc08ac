import { AtrousCamError } from '../../base/errors.js';
import type { NodeId } from '../../graph/graph.js';
import { badWeights, quote } from '../source.js';
import type { OnnxTensor } from './data.js';
import type { OnnxNode } from './file.js';
import type { Translation } from './translation.js';
import type { Constant, MapValue, Value } from './values.js';

/** Dimensions of a tensor: no classifier has more than six. */
export const mostDimensions = 16;

/** A node of the file with what its inputs mean: what an operator's translation works upon. */
export class Call {
  constructor(
    readonly to: Translation,
    readonly node: OnnxNode,
    readonly inputs: readonly (Value | undefined)[],
  ) {}

  get operator(): string {
    return this.node.operator;
  }

  get opset(): number {
    return this.to.opset;
  }

  /** An attribute that is a number. */
  number(name: string, otherwise: number): number {
    const value = this.node.attributes.get(name);
    if (value === undefined) return otherwise;
    if (typeof value !== 'number') throw this.bad(`expected a number as ${name}`);
    return value;
  }

  /** An attribute that is 0 or 1: other numbers are nothing that runtimes agree upon. */
  flag(name: string, otherwise = false): boolean {
    const value = this.number(name, Number(otherwise));
    if (value !== 0 && value !== 1) throw this.bad(`expected 0 or 1 as ${name}, got ${value}`);
    return value === 1;
  }

  /** An attribute that is a list of whole numbers. */
  integers(name: string): readonly number[] | undefined {
    const value = this.node.attributes.get(name);
    if (value === undefined) return undefined;
    if (!Array.isArray(value) || !value.every(Number.isInteger)) throw this.bad(`expected whole numbers as ${name}`);
    return value;
  }

  text(name: string, otherwise: string): string {
    const value = this.node.attributes.get(name);
    if (value === undefined) return otherwise;
    if (typeof value !== 'string') throw this.bad(`expected text as ${name}`);
    return value;
  }

  tensor(name: string): OnnxTensor | undefined {
    const value = this.node.attributes.get(name);
    if (value === undefined) return undefined;
    if (typeof value !== 'object' || !('dtype' in value)) throw this.bad(`expected a tensor as ${name}`);
    return value;
  }

  has(input: number): boolean {
    return this.inputs[input] !== undefined;
  }

  value(input: number): Value {
    const value = this.inputs[input];
    if (!value) throw this.bad(`expected more than ${this.node.inputs.length} inputs`);
    if (value.kind === 'failure') throw value.error;
    return value;
  }

  /** An input that depends on the picture. */
  map(input: number): MapValue {
    return this.mapOf(this.value(input));
  }

  mapOf(value: Value): MapValue {
    if (value.kind === 'constant')
      throw this.refuse('it computes constants in a way that is not folded here; simplify the model first (onnxsim)');
    if (value.kind === 'form') throw this.refuse(`it reads ${value.what}, which is not understood there`);
    if (value.kind === 'failure') throw value.error;
    return value;
  }

  /** The node of an input whose dimensions are pictures, channels, rows and columns. */
  nchw(input: number): NodeId {
    return this.to.nchw(this, this.map(input));
  }

  /** An input that does not depend on the picture. */
  constant(input: number): Constant {
    const value = this.value(input);
    if (value.kind !== 'constant')
      throw this.refuse(`its input ${input + 1} depends on the picture, where only constants are understood`);
    return value;
  }

  /** Numbers of an input, which may be an attribute in older versions of the operator; nothing where there is neither. */
  async integersOf(input: number, attribute: string): Promise<readonly number[] | undefined> {
    if (!this.has(input)) return this.integers(attribute);
    const values = await this.constant(input).numbers();
    if (!values.every(Number.isInteger)) throw this.bad(`expected whole numbers as input ${input + 1}`);
    return [...values];
  }

  /** A single number of an optional input. */
  async scalar(input: number, otherwise: number): Promise<number> {
    if (!this.has(input)) return otherwise;
    const values = await this.constant(input).numbers();
    if (values.length !== 1) throw this.refuse(`expected one number as input ${input + 1}, got ${values.length}`);
    return values[0];
  }

  /** Dimensions as counted from the first; negative ones are counted from the last. */
  axes(given: readonly number[], rank: number): number[] {
    if (given.length > mostDimensions || rank > mostDimensions)
      throw this.bad(`more than ${mostDimensions} dimensions`);
    const axes = given.map((axis) => (axis < 0 ? axis + rank : axis));
    if (axes.some((axis) => !(Number.isInteger(axis) && axis >= 0 && axis < rank)) || new Set(axes).size < axes.length)
      throw this.bad(`there are no dimensions ${given.join(', ')} among ${rank}`);
    return axes;
  }

  axis(given: number, rank: number): number {
    return this.axes([given], rank)[0];
  }

  /** UNSUPPORTED: the file may be right, but this is not understood. */
  refuse(what: string): AtrousCamError {
    return new AtrousCamError('UNSUPPORTED', `weights ${quote(this.to.source)}: ${this.label}: ${short(what)}`);
  }

  /** BAD_WEIGHTS: the file contradicts itself. */
  bad(what: string): AtrousCamError {
    return badWeights(this.to.source, `${this.label}: ${short(what)}`);
  }

  get label(): string {
    const { name, outputs, operator } = this.node;
    const of = /^\w{1,60}$/.test(operator) ? operator : quote(operator);
    return `node ${quote(name || outputs[0] || '')} (${of})`;
  }
}

/** A sentence that stays one whatever lists of numbers a file has. */
const short = (what: string): string => (what.length > 240 ? `${what.slice(0, 237)}...` : what);
