/**
 * Reads the pickles that PyTorch writes for a dictionary of tensors, and nothing else. Nothing is executed: a pickle is a program
 * for a stack machine, and this machine knows only the instructions and the few names below. Every other instruction and every
 * other name ends the reading with a sentence that says which.
 */

/** What a pickle's values become. A dictionary is a Map, so that "__proto__" is a key like any other. */
export type PickleValue =
  | null
  | boolean
  | number
  | string
  | PickleValue[]
  | Map<PickleValue, PickleValue>
  | GlobalName
  | StoredData
  | PickledTensor;

/** A function or class that is named, never looked up. */
export class GlobalName {
  constructor(readonly name: string) {}
}

/** The numbers that tensors are views of: `torch.FloatStorage` and the like. */
export class StoredData {
  constructor(
    readonly dtype: string,
    readonly key: string,
    readonly count: number,
  ) {}
}

export class PickledTensor {
  constructor(
    readonly data: StoredData,
    /** Elements before the first one. */
    readonly offset: number,
    readonly shape: readonly number[],
    readonly strides: readonly number[],
  ) {}
}

/** Why a pickle is not read; the message is the end of a sentence. */
export class PickleError extends Error {}

/** The bytes given end before the pickle does: there may be more of them. */
export class PickleTooShort extends Error {}

/** Element types by the names of the classes that stand for them. */
const storages = new Map(
  Object.entries({
    FloatStorage: 'F32',
    HalfStorage: 'F16',
    BFloat16Storage: 'BF16',
    DoubleStorage: 'F64',
    LongStorage: 'I64',
    IntStorage: 'I32',
    ShortStorage: 'I16',
    CharStorage: 'I8',
    ByteStorage: 'U8',
    BoolStorage: 'BOOL',
  }).map(([name, dtype]) => [`torch.${name}`, dtype]),
);

/** Functions that a pickle may "call": what comes back is built here, from checked arguments. */
const callables = new Map<string, (args: PickleValue[]) => PickleValue>([
  ['collections.OrderedDict', () => new Map()],
  ['torch._utils._rebuild_tensor_v2', ([data, offset, shape, strides]) => tensor(data, offset, shape, strides)],
  ['torch._utils._rebuild_tensor', ([data, offset, shape, strides]) => tensor(data, offset, shape, strides)],
  ['torch._utils._rebuild_parameter', ([value]) => value],
  ['torch.Size', ([sizes]) => sizes],
]);

function tensor(data: PickleValue, offset: PickleValue, shape: PickleValue, strides: PickleValue): PickledTensor {
  if (!(data instanceof StoredData) || !isSize(offset) || !isSizes(shape) || !isSizes(strides))
    throw new PickleError('a tensor has arguments that make no sense');
  return new PickledTensor(data, offset, shape, strides);
}

const isSize = (value: PickleValue): value is number => Number.isSafeInteger(value) && (value as number) >= 0;
const isSizes = (value: PickleValue): value is number[] => Array.isArray(value) && value.every(isSize);

/** VGG19's dictionary takes 1,500; a dictionary of 100,000 empty dictionaries some 20 MB. */
const maxInstructions = 200_000;

/** Where a tuple, list or dictionary began. */
const mark = Symbol('mark');
type Item = PickleValue | typeof mark;

export interface Pickle {
  readonly value: PickleValue;
  /** Everything that tensors in it refer to. */
  readonly stored: readonly StoredData[];
  /** Where the bytes after it begin. */
  readonly end: number;
}

/** Reads the pickle that begins at `start`. Throws PickleError, and PickleTooShort where the bytes end before it does. */
export function readPickle(bytes: Uint8Array, start = 0): Pickle {
  return new Machine(bytes, start).run();
}

class Machine {
  readonly #view: DataView;
  readonly #stack: Item[] = [];
  readonly #memo = new Map<number, PickleValue>();
  readonly #stored: StoredData[] = [];

  constructor(
    readonly bytes: Uint8Array,
    private at: number,
  ) {
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  run(): Pickle {
    for (let count = 0; count < maxInstructions; count++) {
      const code = this.unsigned(1);
      if (code === 0x2e) return { value: this.pop(), stored: this.#stored, end: this.at }; // STOP
      const instruction = instructions.get(code);
      if (!instruction)
        throw new PickleError(`it holds instruction 0x${code.toString(16)}, which no dictionary of tensors needs`);
      instruction(this);
    }
    throw new PickleError(`it holds more than ${maxInstructions} instructions`);
  }

  #need(count: number): number {
    const { at } = this;
    if (at + count > this.bytes.length) throw new PickleTooShort();
    this.at += count;
    return at;
  }

  /** An unsigned number of 1, 2 or 4 bytes. */
  unsigned(size: number): number {
    const at = this.#need(size);
    return size === 1
      ? this.#view.getUint8(at)
      : size === 2
        ? this.#view.getUint16(at, true)
        : this.#view.getUint32(at, true);
  }

  int32(): number {
    return this.#view.getInt32(this.#need(4), true);
  }

  /** Big-endian, unlike everything else. */
  float64(): number {
    return this.#view.getFloat64(this.#need(8));
  }

  /** A whole number of any length in two's complement; beyond 2^53 only its magnitude is right. */
  long(): number {
    const size = this.unsigned(1);
    const at = this.#need(size);
    let value = 0;
    for (let i = size - 1; i >= 0; i--) value = value * 256 + this.bytes[at + i];
    return size > 0 && this.bytes[at + size - 1] & 0x80 ? value - 256 ** size : value;
  }

  text(size: number, encoding = 'utf-8'): string {
    const at = this.#need(size);
    return new TextDecoder(encoding).decode(this.bytes.subarray(at, at + size));
  }

  /** Up to the end of the line. */
  line(): string {
    const end = this.bytes.indexOf(0x0a, this.at);
    if (end < 0) throw new PickleTooShort();
    const text = this.text(end - this.at);
    this.at++;
    return text;
  }

  skip(size: number): void {
    this.#need(size);
  }

  push(value: Item): void {
    this.#stack.push(value);
  }

  pop(): PickleValue {
    const value = this.#stack.pop();
    if (value === undefined || value === mark) throw new PickleError('its instructions make no sense');
    return value;
  }

  top(): PickleValue {
    const value = this.pop();
    this.#stack.push(value);
    return value;
  }

  /** What was put on the stack since the last mark, which is taken away. */
  sinceMark(): PickleValue[] {
    const at = this.#stack.lastIndexOf(mark);
    if (at < 0) throw new PickleError('its instructions make no sense');
    const values = this.#stack.splice(at).slice(1);
    return values as PickleValue[];
  }

  last(count: number): PickleValue[] {
    return Array.from({ length: count }, () => this.pop()).reverse();
  }

  remember(index = this.#memo.size): void {
    this.#memo.set(index, this.top());
  }

  recall(index: number): void {
    const value = this.#memo.get(index);
    if (value === undefined) throw new PickleError('its instructions make no sense');
    this.push(value);
  }

  global(module: string, name: string): void {
    const full = `${module}.${name}`;
    if (!callables.has(full) && !storages.has(full))
      throw new PickleError(`it names ${JSON.stringify(full.slice(0, 120))}, which no dictionary of tensors needs`);
    this.push(new GlobalName(full));
  }

  call(): void {
    const args = this.pop();
    const callee = this.pop();
    const build = callee instanceof GlobalName ? callables.get(callee.name) : undefined;
    if (!build || !Array.isArray(args)) throw new PickleError('it calls something that is no function');
    this.push(build(args) ?? null);
  }

  /** ('storage', class, key, device, count): where a tensor's numbers are. */
  stored(): void {
    const id = this.pop();
    const [kind, type, key, , count, view] = Array.isArray(id) ? id : [];
    const dtype = type instanceof GlobalName ? storages.get(type.name) : undefined;
    if (kind !== 'storage' || dtype === undefined || typeof key !== 'string' || !isSize(count ?? null))
      throw new PickleError('a tensor refers to something that is no storage');
    if (view !== undefined && view !== null)
      throw new PickleError('it is of PyTorch 0.1, whose shared tensors are not read');
    const data = new StoredData(dtype, key, count as number);
    this.#stored.push(data);
    this.push(data);
  }

  extend(values: PickleValue[]): void {
    const list = this.top();
    if (!Array.isArray(list)) throw new PickleError('its instructions make no sense');
    for (const value of values) list.push(value);
  }

  assign(pairs: PickleValue[]): void {
    const map = this.top();
    if (!(map instanceof Map) || pairs.length % 2) throw new PickleError('its instructions make no sense');
    for (let i = 0; i < pairs.length; i += 2) map.set(pairs[i], pairs[i + 1]);
  }
}

/** By code, named as in Python's pickletools. */
const instructions = new Map<number, (machine: Machine) => void>([
  [0x80, (m) => m.skip(1)], // PROTO
  [0x95, (m) => m.skip(8)], // FRAME
  [0x28, (m) => m.push(mark)], // MARK
  [0x4e, (m) => m.push(null)], // NONE
  [0x88, (m) => m.push(true)], // NEWTRUE
  [0x89, (m) => m.push(false)], // NEWFALSE
  [0x4b, (m) => m.push(m.unsigned(1))], // BININT1
  [0x4d, (m) => m.push(m.unsigned(2))], // BININT2
  [0x4a, (m) => m.push(m.int32())], // BININT
  [0x8a, (m) => m.push(m.long())], // LONG1
  [0x47, (m) => m.push(m.float64())], // BINFLOAT
  [0x58, (m) => m.push(m.text(m.unsigned(4)))], // BINUNICODE
  [0x8c, (m) => m.push(m.text(m.unsigned(1)))], // SHORT_BINUNICODE
  [0x54, (m) => m.push(m.text(m.unsigned(4), 'latin1'))], // BINSTRING
  [0x55, (m) => m.push(m.text(m.unsigned(1), 'latin1'))], // SHORT_BINSTRING
  [0x29, (m) => m.push([])], // EMPTY_TUPLE
  [0x5d, (m) => m.push([])], // EMPTY_LIST
  [0x7d, (m) => m.push(new Map())], // EMPTY_DICT
  [0x74, (m) => m.push(m.sinceMark())], // TUPLE
  [0x85, (m) => m.push(m.last(1))], // TUPLE1
  [0x86, (m) => m.push(m.last(2))], // TUPLE2
  [0x87, (m) => m.push(m.last(3))], // TUPLE3
  [0x61, (m) => m.extend(m.last(1))], // APPEND
  [0x65, (m) => m.extend(m.sinceMark())], // APPENDS
  [0x73, (m) => m.assign(m.last(2))], // SETITEM
  [0x75, (m) => m.assign(m.sinceMark())], // SETITEMS
  [0x71, (m) => m.remember(m.unsigned(1))], // BINPUT
  [0x72, (m) => m.remember(m.unsigned(4))], // LONG_BINPUT
  [0x94, (m) => m.remember()], // MEMOIZE
  [0x68, (m) => m.recall(m.unsigned(1))], // BINGET
  [0x6a, (m) => m.recall(m.unsigned(4))], // LONG_BINGET
  [0x63, (m) => m.global(m.line(), m.line())], // GLOBAL
  [0x93, (m) => m.global(...(m.last(2).map(String) as [string, string]))], // STACK_GLOBAL
  [0x52, (m) => m.call()], // REDUCE
  [0x62, (m) => void m.pop()], // BUILD: attributes of an OrderedDict, such as the versions of modules
  [0x51, (m) => m.stored()], // BINPERSID
]);
