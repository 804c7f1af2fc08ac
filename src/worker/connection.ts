import { type Channel, type End, reasonOf } from '../base/channel.js';
import { AtrousCamError, abortedBy, type ErrorCode } from '../base/errors.js';
import { errorData, toError } from '../base/messages.js';
import { within } from '../base/patience.js';
import { isNode } from '../base/platform.js';
import { type DecoderName, loadAsset as loadDecoder } from '../image/assets.js';
import { type AssetName, loadAsset } from '../weights/assets.js';
import type { Reply, Request } from './messages.js';
import { startWorker, type WorkerOptions } from './start.js';
import { packInput } from './transfer.js';

/** What every call may be given beside its own options. */
export interface RemoteOptions {
  signal?: AbortSignal;
  onProgress?: (progress: never) => void;
  /** Hands the buffer of an array over to the worker instead of copying it; the caller cannot use it afterwards. */
  transfer?: boolean;
}

interface Pending {
  resolve(value: unknown): void;
  reject(error: unknown): void;
  /** Called before either. */
  done?(): void;
  progress?(report: unknown): void;
}

/** Tests shorten them. */
export const limits = {
  /** Milliseconds after which a worker that has not answered at all is taken to have other code in it. */
  start: 60_000,
  /**
   * Where nothing tells of a worker's end, it is asked every so many milliseconds while a call waits, and is gone when it has left
   * so many questions in a row without an answer. Questions are counted, not time: a page sleeps when its machine does.
   */
  ask: 10_000,
  unanswered: 5,
};

/** A worker and the calls that wait for it. When it ends, however it does, all of them fail with one sentence. */
export class Connection {
  readonly #channel: Channel<Request, Reply>;
  readonly #pending = new Map<number, Pending>();
  #calls = 0;
  /** Set when nothing more will be answered: what calls fail with. */
  #end: { code: ErrorCode; message: string } | undefined;
  readonly #watch = new AbortController();
  #onReady: ((locked: boolean) => void) | undefined;
  #started = false;
  /** Questions since it was last heard. */
  #unanswered = 0;

  private constructor(channel: Channel<Request, Reply>) {
    this.#channel = channel;
    channel.listen(
      (reply) => this.#receive(reply),
      (end) => this.#ended(end),
    );
  }

  /** Starts the worker and waits until it listens. Throws WORKER_FAILED where it does not, ABORTED where the signal stops it. */
  static async open(options: WorkerOptions & { signal?: AbortSignal }): Promise<Connection> {
    const { signal } = options;
    if (signal?.aborted) throw abortedBy(signal);
    const late = () => new Error(`no worker in ${limits.start / 1000} seconds`);
    const channel = await within(startWorker(options), limits.start, late).catch((cause) => {
      throw new AtrousCamError('WORKER_FAILED', notStarted(reasonOf(cause)), { cause });
    });
    const connection = new Connection(channel);
    const stop = () => connection.#finish('ABORTED', abortedBy(signal!).message);
    signal?.addEventListener('abort', stop);
    try {
      await connection.#greet();
      return connection;
    } finally {
      signal?.removeEventListener('abort', stop);
    }
  }

  /** Calls a method over there. `input` is a weight file or a picture; `options` can be cloned but for signal and onProgress. */
  call(method: string, input: unknown, options: RemoteOptions = {}): Promise<unknown> {
    const { signal, onProgress, transfer = false, ...rest } = options;
    if (this.#end) return Promise.reject(new AtrousCamError(this.#end.code, this.#end.message));
    if (signal?.aborted) return Promise.reject(abortedBy(signal));
    const id = this.#calls++;
    return new Promise((resolve, reject) => {
      const packed = packInput(input, transfer);
      const progress = onProgress as ((report: unknown) => void) | undefined;
      try {
        this.#channel.post(
          { type: 'call', id, method, input: packed.input, options: rest, progress: Boolean(progress) },
          packed.transfer,
        );
      } catch (cause) {
        const message = `${method}: an argument cannot be sent to the worker (${reasonOf(cause)})`;
        reject(new AtrousCamError('BAD_ARGUMENT', message, { cause }));
        return;
      }
      const stop = (error: unknown) => {
        this.#channel.post({ type: 'abort', id });
        this.#settle(id)?.reject(error);
      };
      const onAbort = () => stop(abortedBy(signal!));
      signal?.addEventListener('abort', onAbort);
      this.#pending.set(id, {
        resolve,
        reject,
        done: () => signal?.removeEventListener('abort', onAbort),
        progress(report) {
          try {
            progress?.(report);
          } catch (error) {
            stop(error); // as without a worker: what onProgress throws ends the call
          }
        },
      });
      this.#channel.keepAlive(true);
    });
  }

  /** Ends the worker; waiting calls fail with ABORTED. */
  close(): void {
    if (this.#end) return;
    this.#finish('ABORTED', 'the network was disposed while it was computing');
    this.#end = { code: 'ABORTED', message: 'the network was disposed; load it again' };
  }

  #greet(): Promise<void> {
    const lock = `atrous-cam ${Date.now()} ${Math.random()}`;
    return new Promise((resolve, reject) => {
      const late = () =>
        this.#ended({
          reason: `no answer in ${limits.start / 1000} seconds; does its script import atrous-cam/worker-host?`,
        });
      const timer = setTimeout(late, limits.start);
      this.#pending.set(-1, { resolve: () => resolve(), reject });
      this.#onReady = (locked) => {
        clearTimeout(timer);
        this.#started = true;
        if (locked) this.#watchLock(lock);
        else if (!this.#channel.tells) this.#ask();
        this.#settle(-1)?.resolve(undefined);
      };
      this.#watch.signal.addEventListener('abort', () => clearTimeout(timer));
      this.#channel.post({ type: 'hello', lock });
    });
  }

  /** A browser tells nobody that a worker was terminated or has closed itself; but then its lock becomes free. */
  #watchLock(name: string): void {
    const { signal } = this.#watch;
    navigator.locks.request(name, { signal }, () => this.#ended({ reason: 'it was terminated' })).catch(() => {}); // not needed any more
  }

  /** The same where there are no locks, as on pages that are not served by https. */
  #ask(): void {
    const timer = setInterval(() => {
      if (this.#pending.size === 0) this.#unanswered = 0;
      else if (this.#unanswered === limits.unanswered) this.#ended({ reason: 'it does not answer any more' });
      else {
        this.#unanswered++;
        this.#channel.post({ type: 'ping' });
      }
    }, limits.ask);
    this.#watch.signal.addEventListener('abort', () => clearInterval(timer));
  }

  #receive(reply: Reply): void {
    this.#unanswered = 0;
    if (reply.type === 'ready') this.#onReady?.(reply.locked);
    else if (reply.type === 'asset') void this.#sendAsset(reply.name);
    else if (reply.type === 'progress') this.#pending.get(reply.id)?.progress?.(reply.progress);
    else if (reply.type === 'result') this.#settle(reply.id)?.resolve(reply.value);
    else if (reply.type === 'error') this.#settle(reply.id)?.reject(toError(reply.error));
  }

  async #sendAsset(name: AssetName | DecoderName): Promise<void> {
    try {
      const bytes = await (isDecoder(name) ? loadDecoder(name) : loadAsset(name));
      if (!this.#end) this.#channel.post({ type: 'asset', name, bytes }, [bytes.buffer as ArrayBuffer]);
    } catch (error) {
      if (!this.#end) this.#channel.post({ type: 'asset', name, error: errorData(error) });
    }
  }

  #settle(id: number): Pending | undefined {
    const call = this.#pending.get(id);
    this.#pending.delete(id);
    call?.done?.();
    if (this.#pending.size === 0) this.#channel.keepAlive(false);
    return call;
  }

  #ended({ reason, outOfMemory }: End): void {
    if (this.#end) return;
    if (!this.#started) this.#finish('WORKER_FAILED', notStarted(reason));
    else if (outOfMemory)
      this.#finish('OUT_OF_MEMORY', 'worker: it ran out of memory and ended; use a smaller network or picture');
    else this.#finish('WORKER_FAILED', `worker: it ended by itself (${reason}); load the network again`);
  }

  #finish(code: ErrorCode, message: string): void {
    if (this.#end) return;
    this.#end = { code, message };
    this.#watch.abort();
    this.#channel.terminate();
    for (const id of [...this.#pending.keys()]) this.#settle(id)?.reject(new AtrousCamError(code, message));
  }
}

const notStarted = (reason: string): string => {
  const cure = isNode ? '' : '; the page must allow worker-src blob:, or name a script in workerUrl or createWorker';
  return `worker: it could not be started (${reason})${cure}`;
};

const isDecoder = (name: AssetName | DecoderName): name is DecoderName => name === 'webp' || name === 'avif';
