import type { Graph } from '../graph/graph.js';
import { badWeights, quote } from './source.js';

/** Offsets by the names of nodes. */
export type EvidenceOffsets = ReadonlyMap<string, readonly [number, number]>;

/**
 * The metadata of measured placements: `{"NODE": [rows, columns], ...}` in pixels of the input. Throws BAD_WEIGHTS for anything but nodes
 * of the graph and offsets within the input.
 */
export function readEvidence(json: string | undefined, { nodes }: Graph, source: string): EvidenceOffsets | undefined {
  if (json === undefined) return undefined;
  const { h, w } = nodes[0].shape;
  const names = new Set(nodes.map(({ name }) => name));
  const within = (value: unknown, side: number) => typeof value === 'number' && Math.abs(value) <= side;
  try {
    const entries = Object.entries(JSON.parse(json) as Record<string, [number, number]>);
    if (entries.every(([name, at]) => names.has(name) && at.length === 2 && within(at[0], h) && within(at[1], w)))
      return new Map(entries);
  } catch {}
  throw badWeights(
    source,
    `metadata "evidence": expected offsets by layer, {"layer": [rows, columns]}, got ${quote(json)}`,
  );
}

/** The metadata that `readEvidence` reads. */
export const evidenceMetadata = (offsets: EvidenceOffsets): string => JSON.stringify(Object.fromEntries(offsets));
