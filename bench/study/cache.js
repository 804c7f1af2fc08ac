import { createHash } from 'node:crypto';
import { appendFileSync, existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { PERCENTILES, STEPS } from './plan.js';

const folder = new URL('../../build/study/', import.meta.url);

export const hashOf = (...parts) => {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part);
  return hash.digest('hex').slice(0, 16);
};

/** Of the built library, which holds the bundled networks: what another one measured is measured again. */
export function hashCode() {
  const dist = new URL('../../dist/', import.meta.url);
  const chunks = readdirSync(new URL('chunks/', dist)).sort();
  const files = ['index.js', 'metrics.js', ...chunks.map((name) => `chunks/${name}`)];
  return hashOf(...files.map((name) => readFileSync(new URL(name, dist))));
}

/** Of a network: its file, and how it is read. @param {import('./networks.js').Studied} network @param {string} zoo */
export function hashNetwork(network, zoo) {
  return hashOf(JSON.stringify(network), network.file ? readFileSync(join(zoo, network.file)) : '');
}

/**
 * What was measured of a row with one network, by task, kept in build/study: an interrupted study goes on, and a longer one takes what a
 * shorter one has. A line a task; the last line of a task counts.
 *
 * @param {import('./rows.js').Row} row @param {string} network its hash @param {string} code the library's
 */
export function openCache(row, network, code) {
  const key = hashOf(JSON.stringify([row.name, row.explain, STEPS, PERCENTILES, network, code]));
  const file = fileURLToPath(new URL(`${key}.jsonl`, folder));
  const lines = existsSync(file) ? readFileSync(file, 'utf8').split('\n') : [];
  const entries = new Map(lines.flatMap(parse).map(({ task, ...entry }) => [task, entry]));
  return {
    /** @param {string} task */
    get: (task) => entries.get(task),
    add(task, entry) {
      mkdirSync(folder, { recursive: true });
      appendFileSync(file, `${JSON.stringify({ task, ...entry })}\n`);
      entries.set(task, entry);
    },
  };
}

/** A line's entry; none of a line that was broken off. */
function parse(line) {
  try {
    return [JSON.parse(line)];
  } catch {
    return [];
  }
}
