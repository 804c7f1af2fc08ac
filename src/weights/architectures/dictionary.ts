import { AtrousCamError } from '../../base/errors.js';
import { EXPORT_LINE } from '../family.js';
import { badWeights, quote } from '../source.js';
import type { RawTensor } from '../tensor.js';
import type { TensorFile } from '../tensor-file.js';

/** Where a network lies in a dictionary: what its names begin with, and how they become those that its family is known by. */
export interface Place {
  readonly prefix: string;
  readonly rename?: (name: string) => string;
}

/** The tensors of one network by the names of its own modules, and which of them are understood. */
export class StateDictionary {
  readonly source: string;
  readonly #tensors = new Map<string, RawTensor>();
  readonly #used = new Set<RawTensor>();

  /** @param family what the network is, for messages: `a ResNet` */
  constructor(
    file: TensorFile,
    readonly family: string,
    readonly place: Place,
  ) {
    this.source = file.source;
    const { prefix, rename = (name) => name } = place;
    const all = [...file.tensors].filter(([name]) => !/(^|\.)num_batches_tracked$/.test(name));
    for (const [name, raw] of all.filter(([name]) => name.startsWith(prefix)))
      this.#add(rename(name.slice(prefix.length)), raw);
    for (const [name, raw] of all.filter(([name]) => !name.startsWith(prefix))) {
      const own = outside(name, prefix);
      this.#add(this.#tensors.has(own) ? `beside.${own}` : own, raw);
    }
  }

  #add(own: string, raw: RawTensor): void {
    const other = this.#tensors.get(own);
    if (other)
      throw badWeights(this.source, `tensors ${quote(other.name)} and ${quote(raw.name)} stand for the same thing`);
    this.#tensors.set(own, raw);
  }

  has(name: string): boolean {
    return this.#tensors.has(name);
  }

  /** Sizes of a tensor, or nothing where there is none. */
  shape(name: string): readonly number[] | undefined {
    return this.#tensors.get(name)?.shape;
  }

  /** A tensor with so many dimensions, which counts as understood from now on. */
  take(name: string, dimensions: number): RawTensor {
    const raw = this.#tensors.get(name);
    if (!raw)
      throw this.#refused(`it looks like ${this.family} but has no tensor ${quote(`${this.place.prefix}${name}`)}`);
    if (raw.shape.length !== dimensions) throw this.notUnderstood(raw, `expected ${dimensions} dimensions`);
    this.#used.add(raw);
    return raw;
  }

  /** Names of what is not understood yet, in the file's order. */
  unused(): string[] {
    return [...this.#tensors].filter(([, raw]) => !this.#used.has(raw)).map(([name]) => name);
  }

  /** Leaves out tensors that the network has but does not use when it predicts. */
  ignore(matches: (name: string) => boolean): void {
    for (const [name, raw] of this.#tensors) if (matches(name)) this.#used.add(raw);
  }

  /** How many modules stand in a row: `layer1.0`, `layer1.1`, ... */
  count(module: string): number {
    const numbers = this.children(module);
    const gap = numbers.findIndex((number, i) => number !== i);
    if (gap >= 0) throw this.#refused(`it looks like ${this.family} but has no ${quote(`${module}.${gap}`)}`);
    return numbers.length;
  }

  /** The numbers of the modules below one, ascending. */
  children(module: string): number[] {
    const numbers = new Set<number>();
    for (const name of this.#tensors.keys()) {
      const digits = name.startsWith(`${module}.`) ? /^\d{1,6}(?=\.)/.exec(name.slice(module.length + 1)) : null;
      if (digits) numbers.add(Number(digits[0]));
    }
    return [...numbers].sort((a, b) => a - b);
  }

  notUnderstood(raw: RawTensor | string, why?: string): AtrousCamError {
    const tensor = typeof raw === 'string' ? this.#tensors.get(raw)! : raw;
    const what = `tensor ${quote(tensor.name)} [${tensor.shape.join(', ')}] was not understood as part of ${this.family}`;
    return this.#refused(why ? `${what}: ${why}` : what);
  }

  /** An error about the whole network. */
  refused(why: string): AtrousCamError {
    return this.#refused(`it looks like ${this.family}, ${why}`);
  }

  #refused(why: string): AtrousCamError {
    return new AtrousCamError(
      'UNSUPPORTED',
      `weights ${quote(this.source)}: ${why}; export the whole network instead: ${EXPORT_LINE}`,
    );
  }
}

/** The name of what lies beside a network, such as a head of one's own, without the wrappers around both. */
function outside(name: string, prefix: string): string {
  let from = 0;
  for (
    let dot = name.indexOf('.');
    dot >= 0 && prefix.startsWith(name.slice(0, dot + 1));
    dot = name.indexOf('.', from)
  )
    from = dot + 1;
  return name.slice(from);
}
