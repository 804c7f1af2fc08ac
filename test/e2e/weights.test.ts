import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { badServer, sendFile } from '../support/bad-server.js';
import { command, fixture, micro, start, temporaryFolder } from './command.js';

const folder = temporaryFolder();
const onnx = fixture('references/formats/micro-vgg16.onnx');

describe('weights', () => {
  test('list and info', async () => {
    const list = await command('weights', 'list');
    expect(list).toMatchObject({ code: 0, stderr: '' });
    expect(list.stdout).toMatch(/^vgg16 +553 MB {2}VGG16, Keras$/m);
    const info = await command('weights', 'info', 'vgg16-onnx', '--json');
    expect(JSON.parse(info.stdout).published).toMatchObject({
      bytes: 553_437_752,
      licence: expect.stringContaining('Apache 2.0'),
      source: expect.stringContaining('https://github.com/onnx/models/'),
    });
    const words = await command('weights', 'info', 'vgg16');
    expect(words.stdout).toMatch(
      /^Licence: +Creative Commons Attribution.*\nStated at: +https:\/\/www\.robots\.ox\.ac\.uk/m,
    );
    const file = await command('weights', 'info', onnx);
    expect(file.stdout).toContain('Parameters:    49,626\n');
    expect((await command('weights', 'info', 'vgg61')).code).toBe(1);
  });

  test('verify', async () => {
    const { code, stdout } = await command('weights', 'verify', onnx, '--json');
    expect(code).toBe(0);
    const sha256 = createHash('sha256').update(readFileSync(onnx)).digest('hex');
    expect(JSON.parse(stdout)).toMatchObject({ source: onnx, sha256, parameters: 49_626 });
    const cut = join(folder, 'cut.onnx');
    writeFileSync(cut, readFileSync(onnx).subarray(0, 100_000));
    const refused = await command('weights', 'verify', cut);
    expect(refused).toMatchObject({ code: 1, stdout: '' });
    expect(refused.stderr).toMatch(
      /^atrous-cam: weights ".*cut\.onnx": ONNX: the message at byte \d+ is damaged or cut off\n$/,
    );
  });

  test('pack, without a trace of what failed', async () => {
    const out = join(folder, 'packed');
    const packed = join(out, 'micro.safetensors');
    const { code, stdout } = await command('weights', 'pack', micro, packed, '--dtype', 'float32');
    expect({ code, stdout }).toEqual({ code: 0, stdout: `wrote ${packed} (84.3 kB)\n` });
    const { stdout: info } = await command('weights', 'info', packed);
    expect(info).toContain('Parameters:    20,386\n');
    expect((await command('weights', 'pack', micro, packed, '--dtype', 'float8')).code).toBe(2);
    const { stderr } = await command('weights', 'pack', fixture('images/source.png'), join(out, 'x'));
    expect(stderr).toMatch(/^atrous-cam: weights ".*source.png": expected Keras .*got an unknown format\n$/);
    expect(readdirSync(out)).toEqual(['micro.safetensors']);
    const device = await command('weights', 'pack', micro, '/dev/full/x');
    expect(device).toMatchObject({ code: 1, stdout: '' });
    expect(device.stderr).toContain('expected a folder that can be written');
  });
});

describe('weights pull', () => {
  const cache = join(folder, 'cache');
  const env = { ATROUS_CAM_CACHE: cache };
  const content = new Uint8Array(1e6).fill(7);

  test('refuses what is not the published file, and unknown names', async () => {
    await using server = await badServer((request, response) => sendFile(content, request, response));
    const { code, stderr } = await start(['weights', 'pull', 'vgg16', '--url', server.url], env).finished;
    expect({ code, stderr }).toEqual({
      code: 1,
      stderr: `atrous-cam: weights "vgg16": ${server.url}: expected 553467096 bytes, the server offers 1000000\n`,
    });
    expect(readdirSync(cache)).toEqual([]);
    const unknown = await start(['weights', 'pull', 'vgg'], env).finished;
    expect(unknown.code).toBe(2);
    expect(unknown.stderr).toContain('"vgg": expected names of the list');
  });

  test.each(['SIGINT', 'SIGKILL'] as const)('ended by %s it leaves what can be gone on from', async (signal) => {
    rmSync(cache, { recursive: true, force: true });
    const length = 553_467_096;
    await using server = await badServer((_, response) => {
      response.writeHead(200, { ETag: '"1"', 'Content-Length': length });
      response.write(content);
    });
    const { child, finished } = start(['weights', 'pull', 'vgg16', '--url', server.url], env);
    const file = join(cache, 'vgg16_weights_tf_dim_ordering_tf_kernels.h5');
    const size = () => {
      try {
        return readFileSync(`${file}.part`).length;
      } catch {
        return 0;
      }
    };
    while (size() < content.length) await new Promise((resolve) => setTimeout(resolve, 20));
    child.kill(signal);
    const { code } = await finished;
    expect(code).toBe(signal === 'SIGINT' ? 130 : null);
    const names = readdirSync(cache).sort();
    const lock = signal === 'SIGKILL' ? ['.lock'] : [];
    const expected = [...lock, '.part', '.part.json'].map(
      (ending) => `vgg16_weights_tf_dim_ordering_tf_kernels.h5${ending}`,
    );
    expect(names).toEqual(expected);
    server.answer = (_, response) => response.writeHead(404).end();
    const again = await start(['weights', 'pull', 'vgg16', '--url', server.url], env).finished; // the lock is taken over
    expect(again.stderr).toContain('the server answers 404');
    expect(server.seen.at(-1)!.range).toBe(`bytes=${content.length}-`);
  });
});
