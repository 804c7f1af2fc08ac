import { describe, expect, it } from 'vitest';
import type { PixelInput } from '../src/api.js';
import { load } from '../src/index.js';
import { Arena } from '../src/wasm/arena.js';
import { view } from '../src/wasm/job.js';
import { reluBackwardJob } from '../src/wasm/ops/relu.js';
import { Runtime } from '../src/wasm/runtime.js';

describe('Arena', () => {
  const small = () => new Arena(new WebAssembly.Memory({ initial: 1, maximum: 3 }));

  it('hands out aligned, disjoint addresses above the first KiB', () => {
    const arena = small();
    const first = arena.alloc(10);
    const second = arena.alloc(100);
    expect(first).toBeGreaterThanOrEqual(1024);
    expect([first % 64, second % 64]).toEqual([0, 0]);
    expect(second).toBeGreaterThanOrEqual(first + 10);
  });

  it('grows when needed, and takes memory back by mark and release', () => {
    const arena = small();
    const mark = arena.mark();
    const ptr = arena.alloc(100_000);
    arena.f32(ptr, 25_000).fill(1);
    arena.release(mark);
    expect(arena.alloc(4)).toBe(ptr);
    expect(arena.memory.buffer.byteLength).toBe(2 * 65536);
  });

  it('refuses what does not fit in one sentence, and stays usable', () => {
    const arena = small();
    const mark = arena.mark();
    expect(() => arena.alloc(1e6)).toThrow(expect.objectContaining({ code: 'OUT_OF_MEMORY' }));
    expect(arena.mark()).toBe(mark);
    expect(() => arena.alloc(1000)).not.toThrow();
  });

  it('remembers the highest top since it was asked to', () => {
    const arena = small();
    const mark = arena.mark();
    arena.resetPeak();
    arena.alloc(5000);
    arena.release(mark);
    arena.alloc(100);
    expect(arena.peakSince(mark)).toBeGreaterThanOrEqual(5000);
    expect(arena.peakSince(mark)).toBeLessThan(5128);
  });
});

describe('Runtime', () => {
  it.each([1, 2, 5])('runs every task of a job once with %i threads, in both ways', async (threads) => {
    const runtime = await Runtime.create({ kernels: 'simd', threads });
    const { arena } = runtime;
    const n = 700_000;
    const [y, dy, dx] = [arena.alloc(4 * n), arena.alloc(4 * n), arena.alloc(4 * n)];
    arena.f32(y, n).set(Float32Array.from({ length: n }, (_, i) => (i % 3) - 1));
    arena.f32(dy, n).set(Float32Array.from({ length: n }, (_, i) => i));
    const expected = Float32Array.from({ length: n }, (_, i) => (i % 3 === 2 ? i : 0));
    for (let round = 0; round < 20; round++) {
      arena.f32(dx, n).fill(NaN);
      const map = (ptr: number) => view(ptr, 700, 100, 10);
      const job = reluBackwardJob(map(y), map(dy), map(dx));
      if (round % 2) await runtime.runAsync(job);
      else runtime.run(job);
      expect(arena.f32(dx, n).every((value, i) => value === expected[i])).toBe(true); // toEqual takes seconds here
    }
    expect(runtime.threads).toBe(threads);
    runtime.dispose();
  });

  it.each([0, 1.5, 1000, NaN])('refuses %d threads', async (threads) => {
    await expect(Runtime.create({ threads })).rejects.toMatchObject({ code: 'BAD_ARGUMENT' });
  });

  it('does nothing more after dispose', async () => {
    const runtime = await Runtime.create({ kernels: 'simd', threads: 2 });
    runtime.dispose();
    runtime.dispose();
    expect(() => runtime.run(reluBackwardJob(view(0, 1, 1, 4), view(0, 1, 1, 4), view(0, 1, 1, 4)))).toThrow(
      expect.objectContaining({ code: 'ABORTED' }),
    );
  });
});

describe.each([1, 2])('a network on %i thread(s)', (threads) => {
  const image: PixelInput = { width: 64, height: 64, data: new Uint8Array(3 * 64 * 64).fill(100) };

  it('gives the event loop its turn while it computes', async () => {
    const net = await load(undefined, { kernels: 'simd', threads });
    let turns = 0;
    const timer = setInterval(() => turns++, 1);
    await net.explain(image, { mode: 'dilated', target: 0 });
    clearInterval(timer);
    net.dispose();
    expect(turns).toBeGreaterThan(3);
  });

  it('fails running and waiting calls when it is disposed', async () => {
    const net = await load(undefined, { kernels: 'simd', threads });
    const running = net.explain(image, { mode: 'dilated', target: 0, onProgress: () => net.dispose() });
    const waiting = net.predict(image);
    await expect(running).rejects.toMatchObject({ code: 'ABORTED' });
    await expect(waiting).rejects.toMatchObject({ code: 'ABORTED' });
  });

  it('stops within a progress report when the signal says so', async () => {
    const net = await load(undefined, { kernels: 'simd', threads });
    const controller = new AbortController();
    let reports = 0;
    const onProgress = () => {
      reports++;
      controller.abort();
    };
    const stopped = net.explain(image, { mode: 'dilated', target: 0, signal: controller.signal, onProgress });
    await expect(stopped).rejects.toMatchObject({ code: 'ABORTED' });
    expect(reports).toBe(1);
    net.dispose();
  });
});
