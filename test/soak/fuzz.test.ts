import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { imageFiles, weightFiles } from '../fuzz/corpus.js';
import { networkFormats } from '../fuzz/networks.js';

const child = fileURLToPath(new URL('../fuzz/child.js', import.meta.url));
const batch = 500;
/** Inputs per format: 10 formats make 25,000, and the five of graphs 20,000 more. ATROUS_CAM_SOAK multiplies it. */
const inputsOf = (format: string) =>
  (networkFormats.includes(format) ? 4000 : 2500) * Number(process.env.ATROUS_CAM_SOAK ?? 1);

interface Result {
  inputs: number;
  loaded: number;
  refused: number;
  slowest: number;
  slowestSeed: number;
  memory: number;
  wrong: string[];
}

/** Reads a batch in a process that is ended when it says nothing for a minute. */
function run(format: string, first: number): Promise<Result> {
  return new Promise((resolve, reject) => {
    const process_ = spawn(process.execPath, ['--expose-gc', child, format, `${first}`, `${batch}`]);
    let last: Result | undefined;
    let errors = '';
    const end = () => process_.kill('SIGKILL');
    let timer = setTimeout(end, 60_000);
    process_.stdout.setEncoding('utf8').on('data', (text: string) => {
      clearTimeout(timer);
      timer = setTimeout(end, 60_000);
      last = JSON.parse(text.trim().split('\n').at(-1)!);
    });
    process_.stderr.setEncoding('utf8').on('data', (text) => {
      errors += text;
    });
    process_.on('close', (code) => {
      clearTimeout(timer);
      if (code === 0 && last?.inputs === batch) resolve(last);
      else
        reject(
          new Error(
            `${format}: hung or crashed after seed ${first + (last?.inputs ?? 0)} (${code}): ${errors.slice(0, 500)}`,
          ),
        );
    });
  });
}

test.each([...Object.keys(weightFiles), ...Object.keys(imageFiles), ...networkFormats])('%s', async (format) => {
  const total = { inputs: 0, loaded: 0, refused: 0, slowest: 0, memory: 0 };
  for (let first = 1000; first < 1000 + inputsOf(format); first += batch) {
    const { wrong, slowest, slowestSeed, memory, ...counts } = await run(format, first);
    expect(wrong).toEqual([]);
    expect(slowest, `milliseconds of seed ${slowestSeed}`).toBeLessThan(2000);
    expect(memory, `bytes beyond what it had, seeds from ${first}`).toBeLessThan(256e6);
    total.inputs += counts.inputs;
    total.loaded += counts.loaded;
    total.refused += counts.refused;
    total.slowest = Math.max(total.slowest, slowest);
    total.memory = Math.max(total.memory, memory);
  }
  console.log(format, JSON.stringify(total));
});
