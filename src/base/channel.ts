import type { DrawableInput } from '../api.js';
import { mark, unmark } from './messages.js';
import { isNode, nodeModule } from './platform.js';

/** A worker of a browser or of Node's worker_threads. */
export interface WorkerLike {
  /** Posts a message and hands over the buffers in `transfer`. */
  postMessage(message: unknown, transfer: ArrayBuffer[]): void;
  /** Ends the worker at once. */
  terminate(): unknown;
}

/** What is handed over with a message. */
export type Transferred = ArrayBuffer | DrawableInput;

/** Why a worker ended. */
export interface End {
  reason: string;
  outOfMemory?: boolean;
}

/** The caller's end of the channel to a worker: what it sends and what comes back. */
export interface Channel<Out, In> {
  post(message: Out, transfer?: readonly Transferred[]): void;
  /** Messages come to `onReply`, the end of the worker to `onEnd`, as far as the platform tells. */
  listen(onReply: (reply: In) => void, onEnd: (end: End) => void): void;
  /** Whether the worker keeps a Node process alive: while it is busy, not while it waits. */
  keepAlive(busy: boolean): void;
  terminate(): void;
  /** Whether the platform tells `onEnd` of every end: a browser tells nobody of a worker that was terminated. */
  readonly tells: boolean;
}

/** The name of our workers in tools. */
export const workerName = 'atrous-cam';

/** Starts a worker from the text of a classic script, which no bundler has to find. Throws where the platform refuses at once. */
export async function startFromText(text: string, type: 'classic' | 'module' = 'classic'): Promise<WorkerLike> {
  if (isNode) {
    const { Worker } = await nodeModule('worker_threads');
    return new Worker(text, { eval: true, name: workerName }) as WorkerLike;
  }
  const url = URL.createObjectURL(new Blob([text], { type: 'text/javascript' }));
  const worker = new Worker(url, { type, name: workerName });
  const revoke = () => URL.revokeObjectURL(url);
  worker.addEventListener('message', revoke, { once: true }); // its first message says that the text was read
  worker.addEventListener('error', revoke, { once: true });
  return worker;
}

/** The events of Node's workers. */
interface NodeWorker extends WorkerLike {
  on(event: string, listener: (value: never) => void): void;
  ref(): void;
  unref(): void;
}

export const channelOf = <Out, In>(worker: WorkerLike): Channel<Out, In> =>
  'on' in worker ? nodeChannel(worker as NodeWorker) : webChannel(worker as Worker);

const unreadable = 'a message could not be read';

function nodeChannel<Out, In>(worker: NodeWorker): Channel<Out, In> {
  return {
    post: (message, transfer = []) => worker.postMessage(mark(message), transfer as ArrayBuffer[]),
    listen(onReply, onEnd) {
      worker.on('message', (data: unknown) => deliver(data, onReply));
      worker.on('messageerror', () => onEnd({ reason: unreadable }));
      worker.on('error', (error: NodeJS.ErrnoException) =>
        onEnd({ reason: reasonOf(error), outOfMemory: error.code === 'ERR_WORKER_OUT_OF_MEMORY' }),
      );
      worker.on('exit', (code: number) => onEnd({ reason: `exit code ${code}` }));
    },
    keepAlive: (busy) => (busy ? worker.ref() : worker.unref()),
    terminate: () => void worker.terminate(),
    tells: true,
  };
}

function webChannel<Out, In>(worker: Worker): Channel<Out, In> {
  return {
    post: (message, transfer = []) => worker.postMessage(mark(message), transfer as ArrayBuffer[]),
    listen(onReply, onEnd) {
      worker.addEventListener('message', ({ data }) => deliver(data, onReply));
      worker.addEventListener('messageerror', () => onEnd({ reason: unreadable }));
      worker.addEventListener('error', (event) => {
        event.preventDefault(); // told to the callers; not once more to the page
        onEnd({ reason: event.message || 'its script could not be loaded' });
      });
    },
    keepAlive: () => {},
    terminate: () => worker.terminate(),
    tells: false,
  };
}

function deliver<In>(data: unknown, onReply: (reply: In) => void): void {
  const reply = unmark<In>(data);
  if (reply) onReply(reply);
}

/** What a thrown value says, in one line. */
export const reasonOf = (error: unknown): string =>
  (error instanceof Error ? error.message : String(error)).split('\n', 1)[0];
