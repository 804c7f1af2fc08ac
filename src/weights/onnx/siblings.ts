import { AtrousCamError } from '../../base/errors.js';
import { type ByteSource, badWeights, quote } from '../source.js';

/** Opens a file that lies beside the model, by its path from the model's folder. */
export type OpenSibling = (path: string) => Promise<ByteSource>;

const most = 256;

/** The files beside a model that hold numbers of its tensors ("external data"). */
export class Siblings {
  readonly #opened = new Map<string, ByteSource>();

  constructor(
    private readonly source: string,
    private readonly open?: OpenSibling,
  ) {}

  /** Where the numbers of a tensor lie, by the entries of TensorProto.external_data. */
  async place(
    tensor: string,
    entries: ReadonlyMap<string, string>,
    bytes: number,
  ): Promise<{ source: ByteSource; offset: number }> {
    const bad = (message: string) => badWeights(this.source, `tensor ${quote(tensor)}: ${message}`);
    const location = entries.get('location') ?? '';
    if (!staysInside(location))
      throw bad(`expected its numbers in a file beside the model, got ${quote(location)}; save the model as one file`);
    const number = (key: string, otherwise: number) => {
      const text = entries.get(key) ?? `${otherwise}`;
      if (!/^\d{1,15}$/.test(text))
        throw bad(`external data: expected a number of bytes as ${key}, got ${quote(text)}`);
      return Number(text);
    };
    const [offset, length] = [number('offset', 0), number('length', bytes)];
    if (length !== bytes) throw bad(`external data: expected ${bytes} bytes, got ${length}`);
    const source = await this.#sibling(tensor, location);
    if (offset + length > source.size)
      throw bad(`expected bytes up to ${offset + length} in ${quote(location)}, got a file of ${source.size} bytes`);
    return { source, offset };
  }

  async #sibling(tensor: string, location: string): Promise<ByteSource> {
    const opened = this.#opened.get(location);
    if (opened) return opened;
    if (!this.open)
      throw new AtrousCamError(
        'NOT_FOUND',
        `weights ${quote(this.source)}: the numbers of tensor ${quote(tensor)} are in another file, ${quote(location)}; give that file too, or save the model as one file`,
      );
    if (this.#opened.size >= most) throw badWeights(this.source, `expected at most ${most} files of external data`);
    const source = await this.open(location);
    this.#opened.set(location, source);
    return source;
  }

  close(): void {
    for (const source of this.#opened.values()) source.close();
    this.#opened.clear();
  }
}

/** A path that cannot leave the model's folder on any system. */
export const staysInside = (path: string): boolean =>
  path.length <= 1024 &&
  [...path].every((character) => character >= ' ' && character !== ':' && character !== '\\') &&
  path.split('/').every((part) => part !== '' && part !== '.' && part !== '..');
