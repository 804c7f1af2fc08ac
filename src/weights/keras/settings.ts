import { AtrousCamError } from '../../base/errors.js';
import { badWeights, quote } from '../source.js';
import type { KerasLayer } from './config.js';

/** What a layer was made with, read key by key; what has not been read in the end must not matter. */
export class Settings {
  readonly #read = new Set<string>();

  constructor(
    readonly source: string,
    readonly layer: KerasLayer,
  ) {}

  /** A value as it is. */
  raw(key: string): unknown {
    this.#read.add(key);
    return this.layer.config[key];
  }

  /** A finite number; where there is none, `otherwise`. */
  number(key: string, otherwise?: number): number {
    const value = this.raw(key) ?? otherwise;
    // Keras 2 may have written a slope as an array of NumPy.
    const number = typeof value === 'object' && value !== null && 'value' in value ? value.value : value;
    if (typeof number !== 'number' || !Number.isFinite(number)) throw this.damaged(`expected a number "${key}"`);
    return number;
  }

  /** A whole number above 0. */
  count(key: string): number {
    const value = this.number(key);
    if (!Number.isSafeInteger(value) || value < 1) throw this.damaged(`expected a whole number "${key}", got ${value}`);
    return value;
  }

  flag(key: string, otherwise: boolean): boolean {
    const value = this.raw(key) ?? otherwise;
    if (typeof value !== 'boolean') throw this.damaged(`expected "${key}" to be true or false`);
    return value;
  }

  /** Rows and columns, stated together or apart. */
  pair(key: string, otherwise?: readonly [number, number]): readonly [number, number] {
    const value = this.raw(key) ?? otherwise;
    const pair = Array.isArray(value) ? value : [value, value];
    if (pair.length !== 2 || !pair.every((side) => Number.isSafeInteger(side)))
      throw this.damaged(`expected "${key}" to be two whole numbers`);
    return [pair[0], pair[1]];
  }

  /** A number that is the same for rows and columns. */
  same(key: string, otherwise?: readonly [number, number]): number {
    const [rows, columns] = this.pair(key, otherwise);
    if (rows !== columns)
      throw this.unsupported(
        `its ${key} are ${rows} for rows and ${columns} for columns, which is not supported; they must be the same`,
      );
    return rows;
  }

  /** The padding of a convolution or pool. */
  padding(): 'same' | undefined {
    const padding = this.raw('padding') ?? 'valid';
    if (padding === 'same') return 'same';
    if (padding === 'valid') return undefined;
    throw this.unsupported(`its padding ${say(padding)} is not supported; "same" and "valid" are`);
  }

  /** Maps have their channels last here. */
  channelsLast(): void {
    const format = this.raw('data_format') ?? 'channels_last';
    if (format !== 'channels_last')
      throw this.unsupported(
        `its data_format is ${say(format)}; build the model with "channels_last", set its weights to those of this one and save it again`,
      );
  }

  /** Whether an axis, stated in any way, is the last one of `rank`. */
  lastAxis(rank: number, key = 'axis'): void {
    const value = this.raw(key) ?? -1;
    const axis = Array.isArray(value) && value.length === 1 ? value[0] : value;
    if (axis !== -1 && axis !== rank - 1)
      throw this.unsupported(`its ${key} is ${say(value)}; only the last one, that of the channels, is supported`);
  }

  /** A key that has one value wherever it is written. */
  known(key: string, value: unknown): void {
    if (this.layer.config[key] === value) this.#read.add(key);
  }

  /** Throws where a key has a value, matters for what the layer computes and has not been read. */
  finish(): void {
    for (const [key, value] of Object.entries(this.layer.config)) {
      if (this.#read.has(key) || withoutEffect.test(key) || isNothing(value)) continue;
      throw this.unsupported(`its option "${key}": ${say(value)} is not known; ${onnx}`);
    }
  }

  damaged(message: string, options?: ErrorOptions): AtrousCamError {
    return badWeights(this.source, `${this.#where}: ${message}`, options);
  }

  unsupported(message: string): AtrousCamError {
    return new AtrousCamError('UNSUPPORTED', `weights ${quote(this.source)}: ${this.#where}: ${message}`);
  }

  get #where(): string {
    return `layer ${quote(this.layer.name)} (${quote(this.layer.className).slice(1, -1)})`;
  }
}

/** What users can do about a layer that is not known. */
export const onnx = "export the model to ONNX, with `model.export('model.onnx', format='onnx')` or tf2onnx";

/** Keys that say how a layer is trained, or repeat what is known. */
const withoutEffect =
  /^(name|trainable|dtype|batch_(input_)?shape|shape|(\w+_)?(initializer|regularizer|constraint)|renorm_\w+|momentum|seed|autocast|input_spec|build_input_shape|virtual_batch_size|fused|synchronized)$/;

const isNothing = (value: unknown): boolean =>
  value === null || value === undefined || value === false || (Array.isArray(value) && value.length === 0);

/** A value for a message. */
export const say = (value: unknown): string => {
  const text = JSON.stringify(value) ?? 'nothing';
  return text.length > 60 ? `${text.slice(0, 57)}...` : text;
};
