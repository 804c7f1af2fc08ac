import type { Network, NetworkInfo } from '../api.js';
import { errorData } from '../base/messages.js';
import { isNode } from '../base/platform.js';
import { type Scope, workerScope } from '../base/scope.js';
import type { DescribedNetwork, Description } from '../calls/network-info.js';
import { inspect, load } from '../index.js';
import type { Request } from './messages.js';
import { buffersOf, unpackInput } from './transfer.js';

/** What a loaded network says of itself to the caller's side. */
export interface LoadReply {
  description: Description;
  kernels: 'simd' | 'relaxed';
  threads: number;
}

type Method = (input: unknown, options: object) => Promise<object>;

/** Where a thread keeps that it answers, whichever copy of this module asks. */
const SERVING = Symbol.for('atrous-cam/worker-host');

/**
 * Answers the calls that come to this worker. Resolves to false, and does nothing, in a thread that is no worker. Only
 * the first call of a thread counts: WebKit evaluates a module worker's script again when a chunk imports it back, and a
 * second host would answer without a network.
 */
export function serve(): Promise<boolean> {
  const thread = globalThis as { [SERVING]?: Promise<boolean> };
  thread[SERVING] ??= begin();
  return thread[SERVING];
}

async function begin(): Promise<boolean> {
  const scope = await workerScope();
  if (!scope) return false;
  const host = new Host(scope);
  scope.listen((request) => host.receive(request));
  return true;
}

class Host {
  readonly #running = new Map<number, AbortController>();
  #network: Network | undefined;

  constructor(readonly scope: Scope) {}

  receive(request: Request): void {
    if (request.type === 'hello') this.#greet(request.lock);
    else if (request.type === 'call') void this.#answer(request);
    else if (request.type === 'ping') this.scope.post({ type: 'pong' });
    else if (request.type === 'abort') this.#running.get(request.id)?.abort();
  }

  #greet(name: string): void {
    if (isNode || !('locks' in navigator)) {
      this.scope.post({ type: 'ready', locked: false });
      return;
    }
    void navigator.locks.request(name, () => {
      this.scope.post({ type: 'ready', locked: true });
      return new Promise(() => {}); // kept until this worker ends, however it does
    });
  }

  async #answer({ id, method, input, options, progress }: Request & { type: 'call' }): Promise<void> {
    const { scope } = this;
    const controller = new AbortController();
    this.#running.set(id, controller);
    try {
      const onProgress = (report: unknown) => scope.post({ type: 'progress', id, progress: report }, buffersOf(report));
      const value = await this.#run(method, unpackInput(input), {
        ...options,
        signal: controller.signal,
        ...(progress && { onProgress }),
      });
      const data = withoutFunctions(value);
      scope.post({ type: 'result', id, value: data }, buffersOf(data));
    } catch (error) {
      scope.post({ type: 'error', id, error: errorData(error) });
    } finally {
      this.#running.delete(id);
    }
  }

  /** Calls of the network begin in the order in which they come; the network queues them. */
  async #run(method: string, input: unknown, options: object): Promise<object> {
    if (method === 'inspect') return describe(await inspect(input as undefined, options));
    if (method !== 'load') return (this.#network as unknown as Record<string, Method>)[method](input, options);
    this.#network = await load(input as undefined, options);
    const { kernels, threads } = this.#network;
    return { description: describe(this.#network), kernels, threads } satisfies LoadReply;
  }
}

const describe = (network: NetworkInfo): Description => (network as DescribedNetwork).description;

/** Functions cannot be posted: a result's own are made again on the caller's side. */
const withoutFunctions = (value: object): object =>
  Object.fromEntries(Object.entries(value).filter(([, part]) => typeof part !== 'function'));
