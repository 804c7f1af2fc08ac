import { describe, expect, test } from 'vitest';
import { openShards } from '../src/weights/safetensors-shards.js';
import { bytesSource } from '../src/weights/source.js';
import { type Entry, expectRefused, float32, safetensors } from './support/weight-files.js';

const vector = (value: number): Entry => float32([2], (i) => value + i);
const shards: Record<string, Record<string, Entry>> = {
  'a.safetensors': { x: vector(1), y: vector(3) },
  'b.safetensors': { z: vector(5) },
};
const map = { x: 'a.safetensors', y: 'a.safetensors', z: 'b.safetensors' };

/** Opens an index beside the two shards, and counts how many of them are left open. */
function open(index: unknown, text = JSON.stringify(index)) {
  const still = { open: 0 };
  const source = bytesSource(new TextEncoder().encode(text), 'model.safetensors.index.json');
  const opened = openShards(source, async (path) => {
    if (!shards[path]) throw new Error(`no ${path}`);
    still.open++;
    return { ...bytesSource(safetensors(shards[path]), path), close: () => still.open-- };
  });
  return { opened, still };
}

describe('safetensors in several files', () => {
  test('are one dictionary', async () => {
    const { opened, still } = open({ metadata: { total_size: 24 }, weight_map: map });
    const { file, close } = await opened;
    expect([...file.tensors.keys()]).toEqual(['x', 'y', 'z']);
    const values = new Float32Array(2);
    await file.tensors.get('z')!.readRows(0, values);
    expect([...values]).toEqual([5, 6]);
    expect(still.open).toBe(2);
    close();
    expect(still.open).toBe(0);
  });

  const cases: [string, unknown, RegExp][] = [
    ['no object', [], /expected an object "weight_map"/],
    ['no map', { weight_map: ['x'] }, /expected an object "weight_map"/],
    ['no tensors', { weight_map: {} }, /names no tensors/],
    ['a path out of the folder', { weight_map: { x: '../a.safetensors' } }, /"x", got "\.\.\/a\.safetensors"/],
    ['a number for a file', { weight_map: { x: 3 } }, /"x", got "3"/],
    ['a tensor that is not there', { weight_map: { ...map, w: 'b.safetensors' } }, /expected tensor "w" in "b/],
    ['a tensor elsewhere', { weight_map: { ...map, y: 'b.safetensors' } }, /does not say that tensor "y" lies in "a/],
    ['a tensor too many', { weight_map: { x: 'a.safetensors' } }, /does not say that tensor "y" lies in "a/],
  ];
  test.each(cases)('refuses %s', async (_, index, message) => {
    const { opened, still } = open(index);
    await expectRefused(() => opened, 'BAD_WEIGHTS', message);
    expect(still.open).toBe(0);
  });

  test('refuses what is no JSON, and an index alone', async () => {
    await expectRefused(() => open(0, '{"weight_map": ').opened, 'BAD_WEIGHTS', /not valid JSON/);
    const source = bytesSource(new TextEncoder().encode(JSON.stringify({ weight_map: map })), 'index.json');
    await expectRefused(() => openShards(source, undefined), 'NOT_FOUND', /2 other files, "a.safetensors"/);
  });
});
