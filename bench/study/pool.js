import { fork } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';

const script = fileURLToPath(new URL('worker.js', import.meta.url));

/**
 * Does tasks in as many processes as the machine has cores, in their order.
 *
 * @param {ReturnType<typeof import('./plan.js').pendingWork>} work
 * @param {Record<string, string | undefined>} sources the networks' files
 * @param {(answer: { row: string, task: string, entry: object }) => void} receive
 * @param {(done: number, total: number) => void} progress
 */
export async function runPool(work, sources, receive, progress) {
  const queue = [...work];
  let done = 0;
  const workers = Array.from({ length: Math.min(availableParallelism(), work.length) }, () =>
    fork(script, [JSON.stringify(sources)]),
  );
  const drain = (worker) =>
    new Promise((resolve, reject) => {
      const next = () => (queue.length > 0 ? worker.send(queue.shift()) : resolve(undefined));
      worker.on('exit', (code) => reject(new Error(`a process of the study ended with ${code}`)));
      worker.on('message', (message) => {
        if (message.error) return reject(new Error(message.error));
        if (!message.done) return receive(message);
        progress(++done, work.length);
        next();
      });
      next();
    });
  try {
    await Promise.all(workers.map(drain));
  } finally {
    for (const worker of workers) worker.kill();
  }
}
