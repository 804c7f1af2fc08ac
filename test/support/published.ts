import { expect } from 'vitest';
import type { Graph } from '../../src/graph/graph.js';
import { defaultLayer, findNode } from '../../src/graph/names.js';
import { pooled } from '../reference/graph.js';
import { expectClose, readReferences } from './references.js';
import { sharedPath } from './shared.js';

/** A network as a reader found it. */
interface Read {
  readonly graph: Graph;
  readonly weights: ReadonlyMap<string, Float32Array>;
}

/**
 * A published network computed in plain float64, against other runtimes' numbers for each picture: the outputs that the references call
 * `outputs`, and the default layer, which the file calls `name`.
 */
export function expectPublished({ graph, weights }: Read, folder: string, name: string, outputs: string): void {
  const layer = findNode(graph, name)!;
  expect(defaultLayer(graph)).toBe(layer);
  const references = readReferences(sharedPath(`zoo/${folder}/${folder}.safetensors`));
  const pictures = references.get('x')!.shape[0];
  for (let i = 0; i < pictures; i++) {
    const part = (key: string) => {
      const { data } = references.get(key)!;
      return data.subarray((i * data.length) / pictures, ((i + 1) * data.length) / pictures);
    };
    const values = pooled(graph, weights, part('x'));
    expectClose(values.logits(), part(outputs), 1e-5, outputs);
    expectClose(values.map(layer).data, part('activation'), 3e-5, name);
  }
}
