import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const script = fileURLToPath(new URL('worker.js', import.meta.url));

/**
 * Does tasks in several processes, in their order, until all are done or the time is up; what was begun is finished.
 *
 * @param {ReturnType<typeof import('./plan.js').pendingWork>} work
 * @param {{ zoo: string, processes: number, deadline: number }} options `deadline` as `performance.now()` tells time
 * @param {(answer: { row: string, task: import('./plan.js').Task, entry: object }) => void} receive
 * @param {(done: number, total: number) => void} progress
 */
export async function runPool(work, { zoo, processes, deadline }, receive, progress) {
  const queue = [...work];
  let done = 0;
  const workers = Array.from({ length: Math.min(processes, work.length) }, () => fork(script, [zoo]));
  const drain = (worker) =>
    new Promise((resolve, reject) => {
      const next = () =>
        queue.length > 0 && performance.now() < deadline ? worker.send(queue.shift()) : resolve(undefined);
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
