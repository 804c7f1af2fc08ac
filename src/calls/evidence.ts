import type { LayerEvidence } from '../api.js';
import { lazy } from '../base/lazy.js';
import type { NodeId } from '../graph/graph.js';
import { layoutOf } from '../graph/levels.js';
import { defaultLayer } from '../graph/names.js';
import type { Offset } from '../plan/placing.js';
import { gradientsOf } from '../run/gradient-pass.js';
import { type Loaded, requireHead } from '../run/loaded.js';
import { readLayer } from './layers.js';
import { prepare } from './predict.js';

/** How far the evidence of a layer lies from the centres of its windows. */
export async function evidenceOf(loaded: Loaded, layer?: string, signal?: AbortSignal): Promise<LayerEvidence> {
  const { layout, graph } = loaded.network;
  const id = layer === undefined ? defaultLayer(graph) : readLayer(layout, layer);
  const offsets = await evidenceOffsets(loaded, [id], signal);
  return { layer: graph.nodes[id].name, offset: offsets.get(id)! };
}

/** The same of several; what was measured is remembered. */
export async function evidenceOffsets(
  loaded: Loaded,
  layers: readonly NodeId[],
  signal?: AbortSignal,
): Promise<ReadonlyMap<NodeId, Offset>> {
  requireHead(loaded);
  const { network, evidence } = loaded;
  const offsets = new Map<NodeId, Offset>();
  for (const id of layers) {
    const { name } = network.graph.nodes[id];
    const offset = evidence.get(name) ?? (await measure(loaded, id, signal));
    evidence.set(name, offset);
    offsets.set(id, offset);
  }
  return offsets;
}

async function measure(loaded: Loaded, id: NodeId, signal?: AbortSignal): Promise<Offset> {
  const { measureEvidence } = await lazy(() => import('../methods/evidence.js'));
  const inputOf = (picture: Parameters<typeof prepare>[1]) =>
    prepare(loaded, picture, { preprocessing: { fit: 'squash' } }).tensor;
  return measureEvidence(loaded, id, { gradientsOf, layoutOf, inputOf }, signal);
}
