import { spawn } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { rollup } from 'rollup';
import { freePort } from './site.js';

const root = fileURLToPath(new URL('../../', import.meta.url));
const example = join(root, 'examples/workerd/worker.js');

/** A worker that names no module of kernels. */
const FORGETFUL = `import { load } from 'atrous-cam';
const fetch = async () => Response.json(await load().then(() => ({}), ({ code, message }) => ({ code, message })));
export default { fetch };`;

/**
 * The example of examples/workerd, with its own configuration.
 * @param {string} path of workerd
 * @param {Uint8Array} photo
 * @returns {Promise<{ predictions: object[], refused: { code: string, message: string } }>} what it answers, and what is
 *   said where the kernels are not given as a module
 */
export async function runWorkerd(path, photo) {
  const { predictions } = await answer(path, example, photo);
  return { predictions, refused: await answer(path, 'forgetful', photo) };
}

/** @param {string} path @param {string} input @param {Uint8Array} body */
async function answer(path, input, body) {
  const folder = mkdtempSync(join(tmpdir(), 'atrous-cam-workerd-'));
  mkdirSync(join(folder, 'bundle'));
  await bundle(input, join(folder, 'bundle/worker.js'));
  copyFileSync(join(root, 'dist/wasm/simd.wasm'), join(folder, 'bundle/simd.wasm'));
  copyFileSync(join(root, 'examples/workerd/config.capnp'), join(folder, 'config.capnp'));
  const address = `127.0.0.1:${await freePort()}`;
  const child = spawn(path, ['serve', 'config.capnp', '--socket-addr', `http=${address}`], {
    cwd: folder,
    stdio: 'ignore',
  });
  const ask = (method) => fetch(`http://${address}/`, { method, ...(method === 'POST' && { body }) });
  try {
    for (
      let i = 0;
      i < 200 &&
      !(await ask('GET').then(
        () => true,
        () => false,
      ));
      i++
    )
      await new Promise((resolve) => setTimeout(resolve, 50));
    return await (await ask('POST')).json();
  } finally {
    child.kill('SIGKILL');
    rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
  }
}

/** @param {string} input @param {string} file */
async function bundle(input, file) {
  const own = {
    name: 'own',
    /** @param {string} id */
    resolveId: (id) =>
      id === 'atrous-cam' ? join(root, 'dist/index.js') : id.endsWith('.wasm') ? { id, external: true } : undefined,
    /** @param {string} id */
    load: (id) => (id.endsWith('forgetful') ? FORGETFUL : undefined),
  };
  const virtual = { name: 'virtual', resolveId: (/** @type {string} */ id) => (id === 'forgetful' ? id : undefined) };
  const made = await rollup({ input, onwarn: () => {}, plugins: [virtual, own] });
  await made.write({ file, format: 'es', inlineDynamicImports: true });
  await made.close();
}
