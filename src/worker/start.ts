import { type Channel, channelOf, workerName as name, startFromText, type WorkerLike } from '../base/channel.js';
import { lazy } from '../base/lazy.js';
import { isNode, nodeModule } from '../base/platform.js';
import type { Reply, Request } from './messages.js';

/** Where the worker comes from; without any, from text that the package carries. */
export interface WorkerOptions {
  /** Where a module that imports `atrous-cam/worker-host` lies, for pages whose content security policy forbids `worker-src blob:`. */
  workerUrl?: string | URL;
  /** Makes the worker; its module imports `atrous-cam/worker-host`. It is ended by `dispose()`. */
  createWorker?: () => WorkerLike | Promise<WorkerLike>;
}

/** Starts a worker: the caller's own, one from a URL, or one from text that the package carries, which no bundler has to find. */
export async function startWorker({ workerUrl, createWorker }: WorkerOptions): Promise<Channel<Request, Reply>> {
  if (createWorker) return channelOf(await createWorker());
  if (workerUrl === undefined)
    return channelOf(await startFromText((await lazy(() => import('./host-text.js'))).hostText));
  return channelOf(isNode ? await startInNode(workerUrl) : await startInBrowser(workerUrl));
}

async function startInNode(workerUrl: string | URL): Promise<WorkerLike> {
  const { Worker } = await nodeModule('worker_threads');
  return new Worker(workerUrl, { name }) as WorkerLike;
}

async function startInBrowser(workerUrl: string | URL): Promise<WorkerLike> {
  const url = new URL(workerUrl, location.href);
  if (url.origin === location.origin) return new Worker(url, { type: 'module', name });
  // A worker's own script must be of the page's origin; what it imports need not be.
  return startFromText(`import ${JSON.stringify(url.href)};`, 'module');
}
