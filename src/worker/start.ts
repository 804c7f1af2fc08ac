import { isNode, nodeModule } from '../platform.js';
import { mark, type Reply, type Request, unmark } from './messages.js';
import type { Packed } from './transfer.js';

/** A worker of a browser or of Node's worker_threads. */
export interface WorkerLike {
  /** Posts a message and hands over the buffers in `transfer`. */
  postMessage(message: unknown, transfer: ArrayBuffer[]): void;
  /** Ends the worker at once. */
  terminate(): unknown;
}

/** Where the worker comes from; without any, from text that the package carries. */
export interface WorkerOptions {
  /** Where a module that imports `atrous-cam/worker-host` lies, for pages whose content security policy forbids `worker-src blob:`. */
  workerUrl?: string | URL;
  /** Makes the worker; its module imports `atrous-cam/worker-host`. It is ended by `dispose()`. */
  createWorker?: () => WorkerLike | Promise<WorkerLike>;
}

/** Why a worker ended. */
export interface End {
  reason: string;
  outOfMemory?: boolean;
}

/** The caller's end of the channel. */
export interface Channel {
  post(message: Request, transfer?: Packed['transfer']): void;
  /** Messages come to `onReply`, the end of the worker to `onEnd`, as far as the platform tells. */
  listen(onReply: (reply: Reply) => void, onEnd: (end: End) => void): void;
  /** Whether the worker keeps a Node process alive: while it is busy, not while it waits. */
  keepAlive(busy: boolean): void;
  terminate(): void;
}

/** Starts a worker: the caller's own, one from a URL, or one from text that the package carries, which no bundler has to find. */
export async function startWorker({ workerUrl, createWorker }: WorkerOptions): Promise<Channel> {
  if (createWorker) return channelOf(await createWorker());
  return channelOf(isNode ? await startInNode(workerUrl) : await startInBrowser(workerUrl));
}

const name = 'atrous-cam';

async function startInNode(workerUrl?: string | URL): Promise<WorkerLike> {
  const { Worker } = await nodeModule('worker_threads');
  return workerUrl === undefined
    ? new Worker((await import('./host-text.js')).hostText, { eval: true, name })
    : new Worker(workerUrl, { name });
}

async function startInBrowser(workerUrl?: string | URL): Promise<WorkerLike> {
  if (workerUrl === undefined) return startFromText((await import('./host-text.js')).hostText);
  const url = new URL(workerUrl, location.href);
  if (url.origin === location.origin) return new Worker(url, { type: 'module', name });
  // A worker's own script must be of the page's origin; what it imports need not be.
  return startFromText(`import ${JSON.stringify(url.href)};`, 'module');
}

function startFromText(text: string, type: WorkerType = 'classic'): WorkerLike {
  const url = URL.createObjectURL(new Blob([text], { type: 'text/javascript' }));
  const worker = new Worker(url, { type, name });
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

const channelOf = (worker: WorkerLike): Channel =>
  'on' in worker ? nodeChannel(worker as NodeWorker) : webChannel(worker as Worker);

const unreadable = 'a message could not be read';

function nodeChannel(worker: NodeWorker): Channel {
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
  };
}

function webChannel(worker: Worker): Channel {
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
  };
}

function deliver(data: unknown, onReply: (reply: Reply) => void): void {
  const reply = unmark<Reply>(data);
  if (reply) onReply(reply);
}

/** What a thrown value says, in one line. */
export const reasonOf = (error: unknown): string =>
  (error instanceof Error ? error.message : String(error)).split('\n', 1)[0];
