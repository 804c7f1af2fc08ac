import type { Reply, Request } from '../worker/messages.js';
import { mark, unmark } from './messages.js';
import { isNode, nodeModule } from './platform.js';

/** The worker's end of its channel: what comes in and what it answers. */
export interface Scope<In = Request, Out = Reply> {
  post(message: Out, transfer?: ArrayBuffer[]): void;
  listen(listener: (request: In) => void): void;
}

/** What of a dedicated worker's global scope is used. */
declare class DedicatedWorkerGlobalScope extends EventTarget {
  postMessage(message: unknown, transfer: ArrayBuffer[]): void;
}

/** The end of the channel that belongs to this thread; undefined where it is no worker. */
export async function workerScope<In = Request, Out = Reply>(): Promise<Scope<In, Out> | undefined> {
  if (isNode) {
    const { parentPort } = await nodeModule('worker_threads');
    return (
      (parentPort && {
        post: (message, transfer) => parentPort.postMessage(mark(message), transfer),
        listen: (listener) => void parentPort.on('message', (data) => deliver(data, listener)),
      }) ??
      undefined
    );
  }
  if (typeof DedicatedWorkerGlobalScope === 'undefined' || !(globalThis instanceof DedicatedWorkerGlobalScope))
    return undefined;
  const scope = globalThis as unknown as DedicatedWorkerGlobalScope;
  return {
    post: (message, transfer = []) => scope.postMessage(mark(message), transfer),
    listen: (listener) => scope.addEventListener('message', (event) => deliver((event as MessageEvent).data, listener)),
  };
}

function deliver<In>(data: unknown, listener: (request: In) => void): void {
  const request = unmark<In>(data);
  if (request) listener(request);
}
