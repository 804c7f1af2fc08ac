import { type Channel, channelOf, type End, startFromText } from '../base/channel.js';
import { AtrousCamError } from '../base/errors.js';
import { toError } from '../base/messages.js';
import { isNode } from '../base/platform.js';
import { loadAsset } from './assets.js';
import type { Hdf5Reply, Hdf5Request, Opened, TensorData } from './hdf5-messages.js';
import { type ByteSource, badWeights, quote } from './source.js';

/** In milliseconds; tests shorten them. */
export const limits = {
  /** A worker that has not started by then is done without. */
  start: 10_000,
  /** Layers are found in 50 ms, a block of 16 MB is read in less: no answer for so long means a loop, or a disk that is gone. */
  answer: 60_000,
  /** How long a worker without a file is kept for the next one. */
  idle: 2000,
};

interface Pending {
  resolve(value: unknown): void;
  reject(error: unknown): void;
  timer: ReturnType<typeof setTimeout>;
}

/** A worker with h5wasm in it and one file at a time. When it ends, however it does, all calls fail with one sentence. */
export class Hdf5Reader {
  static #waiting: Hdf5Reader | undefined;
  /** Whether a page's policy forbids such workers: it stays the same while the page lives, so they are not tried again. */
  static #isForbidden = false;

  readonly #channel: Channel<Hdf5Request, Hdf5Reply>;
  #onStart: ((ready: boolean) => void) | undefined;
  readonly #pending = new Map<number, Pending>();
  #calls = 0;
  /** The file's. */
  #name = '';
  /** What calls fail with, once it has ended. */
  #end: unknown;
  /** The module of h5wasm until it has been sent. */
  #library: Uint8Array | undefined;
  /** Memory of the last answer, for the next one. */
  #spare: ArrayBuffer | undefined;
  #idle: ReturnType<typeof setTimeout> | undefined;

  private constructor(channel: Channel<Hdf5Request, Hdf5Reply>) {
    this.#channel = channel;
    channel.listen(
      (reply) => this.#receive(reply),
      (end) => this.#ended(end),
    );
  }

  /** The one that waits for a file, else a new one; undefined where workers cannot be had. */
  static async take(): Promise<Hdf5Reader | undefined> {
    const waiting = Hdf5Reader.#waiting;
    if (!waiting) return Hdf5Reader.#isForbidden ? undefined : Hdf5Reader.#start();
    Hdf5Reader.#waiting = undefined;
    clearTimeout(waiting.#idle);
    return waiting;
  }

  static async #start(): Promise<Hdf5Reader | undefined> {
    const text = new TextDecoder().decode(await loadAsset('hdf5-worker'));
    const worker = await startFromText(text).catch(() => undefined);
    if (!worker) {
      Hdf5Reader.#isForbidden = !isNode;
      return undefined;
    }
    const reader = new Hdf5Reader(channelOf(worker));
    const started = new Promise<boolean>((resolve) => {
      const timer = setTimeout(resolve, limits.start, false);
      reader.#onStart = (ready) => {
        clearTimeout(timer);
        resolve(ready);
      };
    });
    reader.#library = await loadAsset('hdf5'); // 4 MB, made while the worker starts
    if (await started) return reader;
    // Some engines tell of the policy by an error of the worker; one that is merely slow has not ended.
    Hdf5Reader.#isForbidden = !isNode && reader.#end !== undefined;
    reader.end(closed(''));
    return undefined;
  }

  /** Opens a Keras file and gives what it holds. */
  async open<As extends keyof Opened<TensorData>>(source: ByteSource, as: As): Promise<Opened<TensorData>[As]> {
    const { name, size } = source;
    this.#name = name;
    const file = source.place ?? (await source.read(0, size)).slice();
    const library = this.#library;
    this.#library = undefined;
    const transfer = [file, library].flatMap((sent) =>
      sent instanceof Uint8Array ? [sent.buffer as ArrayBuffer] : [],
    );
    const opened = this.#call((id) => ({ type: 'open', id, as, file, name, size, library }), transfer);
    return opened as Promise<Opened<TensorData>[As]>;
  }

  /** Fills `target` with a tensor's elements from row `first` on. */
  async read(tensor: number, first: number, target: Float32Array): Promise<void> {
    const spare = this.#spare;
    this.#spare = undefined;
    const { length } = target;
    const answer = this.#call((id) => ({ type: 'read', id, tensor, first, length, spare }), spare ? [spare] : []);
    const values = (await answer) as Float32Array<ArrayBuffer>;
    target.set(values);
    this.#spare = values.buffer;
  }

  /** Gives the worker back when its file is done with. */
  release(): void {
    this.#spare = undefined;
    if (this.#end) return;
    if (this.#pending.size > 0 || Hdf5Reader.#waiting) {
      this.end(closed(this.#name));
      return;
    }
    this.#channel.post({ type: 'close' });
    Hdf5Reader.#waiting = this;
    this.#idle = setTimeout(() => this.end(closed(this.#name)), limits.idle);
    (this.#idle as { unref?(): void }).unref?.(); // Node does not wait for it
  }

  /** Ends the worker at once, whatever it is doing. */
  end(error: unknown): void {
    if (this.#end) return;
    this.#end = error;
    this.#channel.terminate();
    if (Hdf5Reader.#waiting === this) Hdf5Reader.#waiting = undefined;
    for (const id of [...this.#pending.keys()]) this.#settle(id)?.reject(error);
  }

  #call(request: (id: number) => Hdf5Request, transfer: readonly ArrayBuffer[]): Promise<unknown> {
    if (this.#end) return Promise.reject(this.#end);
    const id = this.#calls++;
    return new Promise((resolve, reject) => {
      const late = () =>
        this.end(
          badWeights(
            this.#name,
            `the HDF5 reader has given no answer for ${limits.answer / 1000} s; the file is damaged or cannot be read`,
          ),
        );
      this.#pending.set(id, { resolve, reject, timer: setTimeout(late, limits.answer) });
      this.#channel.keepAlive(true);
      this.#channel.post(request(id), transfer);
    });
  }

  #receive(reply: Hdf5Reply): void {
    if (reply.type === 'ready') {
      this.#onStart?.(true);
      this.#channel.keepAlive(false);
    } else if (reply.type === 'result') this.#settle(reply.id)?.resolve(reply.value);
    else {
      const error = toError(reply.error);
      this.#settle(reply.id)?.reject(error);
      if (reply.broken) this.end(error);
    }
  }

  #settle(id: number): Pending | undefined {
    const call = this.#pending.get(id);
    clearTimeout(call?.timer);
    this.#pending.delete(id);
    if (this.#pending.size === 0) this.#channel.keepAlive(false);
    return call;
  }

  #ended({ reason }: End): void {
    this.#onStart?.(false);
    const message = `weights ${quote(this.#name)}: the HDF5 reader has ended by itself (${reason})`;
    this.end(new AtrousCamError('WORKER_FAILED', message));
  }
}

/** What a tensor says whose file is closed. */
export const closed = (name: string): AtrousCamError =>
  new AtrousCamError('BAD_ARGUMENT', `weights ${quote(name)}: the file is closed`);
