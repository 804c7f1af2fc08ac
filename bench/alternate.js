import { readFileSync } from 'node:fs';
import { cpus, totalmem } from 'node:os';

/** @typedef {{ name: string, run: () => Promise<unknown> }} Contestant */

/**
 * Runs contestants in turn, A B C A B C ..., so that a machine whose speed drifts treats all alike. One round warms up.
 *
 * @param {Contestant[]} contestants
 * @param {number} rounds
 * @param {(line: string) => void} [report]
 * @returns {Promise<Map<string, number[]>>} milliseconds by name
 */
export async function alternate(contestants, rounds, report = () => {}) {
  const times = new Map(contestants.map(({ name }) => [name, []]));
  for (let round = -1; round < rounds; round++) {
    for (const { name, run } of contestants) {
      await new Promise((resolve) => setTimeout(resolve, 300)); // the last one's threads stop spinning
      const start = performance.now();
      await run();
      const time = performance.now() - start;
      if (round >= 0) times.get(name).push(time);
      report(`${round < 0 ? 'warm-up' : `round ${round + 1}`}: ${name} ${Math.round(time)} ms`);
    }
  }
  return times;
}

/** @param {number[]} values */
export function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const half = sorted.length >> 1;
  return sorted.length % 2 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2;
}

/**
 * How the medians of two contestants of one run compare, and how far the ratios of single rounds spread.
 * @param {number[]} a @param {number[]} b
 */
export function ratio(a, b) {
  const single = a.map((time, round) => time / b[round]).sort((x, y) => x - y);
  return { ratio: median(a) / median(b), least: single[0], most: single.at(-1) };
}

/** The machine and the engine, for results that are kept. */
export const machine = () => ({
  date: new Date().toISOString().slice(0, 10),
  processor: `${cpus()[0].model}${vectors()}`,
  cores: cpus().length,
  memory: `${Math.round(totalmem() / 2 ** 30)} GiB`,
  node: process.version,
});

/** The widest vectors of an x86 machine, which native runtimes use and WebAssembly cannot: virtual machines hide the processor's name. */
function vectors() {
  try {
    const flags = readFileSync('/proc/cpuinfo', 'utf8');
    return [' (AVX-512)', ' (AVX2)', ''][['avx512f', 'avx2', ''].findIndex((flag) => flags.includes(flag))];
  } catch {
    return '';
  }
}
