import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { fixture, micro, photo, start, temporaryFolder } from './command.js';

const folder = temporaryFolder();
/** Notes every connection and every look-up of a name, in all threads of the process. */
const watch = join(folder, 'watch.cjs');
const seen = join(folder, 'seen');
writeFileSync(
  watch,
  `const { appendFileSync } = require('fs');
  const note = (object, name) => {
    const original = object[name];
    object[name] = function (...args) { appendFileSync(${JSON.stringify(seen)}, name + '\\n'); return original.apply(this, args); };
  };
  note(require('net').Socket.prototype, 'connect');
  note(require('dns'), 'lookup');`,
);
const env = { NODE_OPTIONS: `--require ${watch}`, ATROUS_CAM_CACHE: join(folder, 'cache') };
const run = (...args: string[]) => start(args, env).finished;

/** An address of this machine where nobody listens: the system chose the port, and it was given back. */
async function closedAddress(): Promise<string> {
  const server = createServer();
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  const { port } = server.address() as AddressInfo;
  await new Promise((done) => server.close(done));
  return `http://127.0.0.1:${port}/x`;
}

test('nothing uses the network but `weights pull` and addresses', async () => {
  const h5 = fixture('references/small/micro-vgg16.keras-official.h5');
  const calls = [
    ['explain', photo, '--mode', 'pooled', '--out', join(folder, 'figures')],
    ['predict', photo, '--weights', h5],
    ['plan', '--weights', micro],
    ['weights', 'list'],
    ['weights', 'info', 'vgg16'],
    ['weights', 'verify', h5],
    ['weights', 'pack', h5, join(folder, 'packed.safetensors')],
  ];
  for (const call of calls) expect(await run(...call), call.join(' ')).toMatchObject({ code: 0 });
  expect((await run('predict', photo, '--weights', 'vgg16')).stderr).toContain('not downloaded yet');
  expect(existsSync(seen)).toBe(false);

  const url = await closedAddress();
  for (const call of [
    ['predict', photo, '--weights', url],
    ['weights', 'pull', 'vgg16', '--url', url, '--retries', '1'],
  ]) {
    expect((await run(...call)).code).toBe(1);
    expect(readFileSync(seen, 'utf8')).toContain('connect');
    rmSync(seen);
  }
});
