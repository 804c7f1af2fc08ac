import type { ExplainOptions, Preprocessed, TensorInput } from '../api.js';
import { AtrousCamError } from '../base/errors.js';
import type { Combine, RgbImage, Sign } from '../base/types.js';
import type { Graph } from '../graph/graph.js';
import type { Layout } from '../graph/levels.js';
import { resizedGraph } from '../graph/resized.js';
import type { FinishedMap, RawMap } from '../map/finish.js';
import type { PackedNode } from '../operators/operator.js';
import type { Loaded } from '../run/loaded.js';
import type { PackedNetwork } from '../run/packed-network.js';
import type { Runtime } from '../wasm/runtime.js';
import type { Explained, RunOptions } from './explain.js';
import type { ExplainRequest } from './request.js';
import type { Subject } from './target.js';

/** What explaining at several zooms borrows from the library, so that it can be loaded by itself. */
export interface Tools {
  readonly layoutOf: (graph: Graph) => Layout;
  readonly prepare: (loaded: Loaded, image: RgbImage) => Preprocessed;
  readonly request: (loaded: Loaded, options: ExplainOptions) => Promise<ExplainRequest>;
  readonly explainAt: (
    loaded: Loaded,
    input: Float32Array,
    request: ExplainRequest,
    choose: (logits: Float32Array) => Subject,
    options: RunOptions,
  ) => Promise<Explained>;
  readonly predict: () => Promise<{ logits: Float32Array; probabilities: Float32Array }>;
  readonly combineMaps: (
    maps: readonly Float32Array[],
    width: number,
    combine: Combine,
    sign: Sign,
  ) => FinishedMap & { raw: RawMap };
  readonly resample: (
    map: RawMap,
    width: number,
    height: number,
    sourceX: (at: number) => number,
    sourceY: (at: number) => number,
  ) => Float32Array;
}

/** An explanation, its finished map's size, and the layout and request that its raw map belongs to; undefined of a combined one. */
export interface Zoomed extends Explained {
  readonly width: number;
  readonly height: number;
  readonly of?: { readonly layout: Layout; readonly request: ExplainRequest };
}

/**
 * Explains a photograph at several sizes of the network's input, each resampled from the photograph's own pixels, and combines the maps
 * at the largest size. What the network says, and what is explained, are those of its own size. Maps of several sizes: CAMERAS (Jalwana et
 * al., CVPR 2021), Jitter-CAM (Hartley et al., BMVC 2021).
 */
export async function explainZoomed(
  loaded: Loaded,
  image: RgbImage | TensorInput,
  request: ExplainRequest,
  options: ExplainOptions,
  choose: (logits: Float32Array) => Subject,
  tools: Tools,
): Promise<Zoomed> {
  if ('tensor' in image)
    throw new AtrousCamError('BAD_ARGUMENT', 'zoom: expected a picture, whose own pixels are resampled, got a tensor');
  const { signal, onProgress, reuse } = options;
  const { zooms, mode, outputStride } = request;
  const networks = zooms.map((zoom) => (zoom === 1 ? loaded : zoomedNetwork(loaded, zoom, tools.layoutOf)));
  const largest = networks.map(sizeOf).reduce((a, b) => (a.h * a.w >= b.h * b.w ? a : b));
  const enlarge = (data: Float32Array, { h, w }: { h: number; w: number }) =>
    h === largest.h && w === largest.w
      ? data
      : tools.resample({ data, width: w, height: h }, largest.w, largest.h, scaled(w, largest.w), scaled(h, largest.h));
  const own = zooms.includes(1) ? undefined : await tools.predict();
  let subject = own && choose(own.logits);
  let first: Explained | undefined;
  const total = zooms.reduce((sum, zoom) => sum + zoom * zoom, 0);
  let before = 0;
  const runs: Explained[] = [];
  const requests: ExplainRequest[] = [];
  // The network's own size comes first: it decides what is explained.
  for (const i of [...zooms.keys()].sort((a, b) => Number(zooms[b] === 1) - Number(zooms[a] === 1))) {
    const at = networks[i];
    const size = sizeOf(at);
    const share = zooms[i] ** 2 / total;
    const from = before;
    requests[i] =
      zooms[i] === 1
        ? request
        : await tools.request(at, {
            ...options,
            mode,
            ...(mode === 'atrous' && { outputStride }),
          });
    runs[i] = await tools.explainAt(at, tools.prepare(at, image).tensor, requests[i], (z) => subject ?? choose(z), {
      signal,
      reuse,
      onProgress:
        onProgress &&
        (({ done, map, ...progress }) =>
          onProgress({ ...progress, mode, done: from + share * done, ...(map && { map: enlarge(map, size) }) })),
    });
    subject ??= runs[i].subject;
    first ??= runs[i];
    before += share;
  }
  const peakBytes = Math.max(...runs.map((run) => run.peakBytes));
  const { logits, probabilities } = own ?? first!;
  const score = own ? subject!.score(logits, probabilities).value : first!.score;
  const reused = runs.every((run) => run.reused);
  const said = { logits, probabilities, score, subject: subject!, peakBytes, reused };
  const finished = { width: largest.w, height: largest.h };
  if (runs.length === 1)
    return { ...runs[0], ...said, ...finished, of: { layout: networks[0].network.layout, request: requests[0] } };
  const maps = runs.map(({ data }, i) => enlarge(data, sizeOf(networks[i])));
  return { ...tools.combineMaps(maps, largest.w, request.zoomCombine, request.sign), ...said, ...finished };
}

/** Whether a network takes inputs of all these sizes. */
export function takesZooms(loaded: Loaded, zooms: readonly number[], layoutOf: Tools['layoutOf']): boolean {
  try {
    for (const zoom of zooms) if (zoom !== 1) zoomedNetwork(loaded, zoom, layoutOf);
    return true;
  } catch (error) {
    if (error instanceof AtrousCamError && error.code === 'UNSUPPORTED') return false;
    throw error;
  }
}

const sizeOf = ({ network }: Loaded) => network.graph.nodes[0].shape;

/** Where a pixel of a side lies on a shorter side. */
const scaled = (n: number, length: number) => (at: number) => ((at + 0.5) * n) / length - 0.5;

const known = new WeakMap<PackedNetwork, Map<number, PackedNetwork>>();

/** The network for an input that is `zoom` times as large, with the same weights. Throws UNSUPPORTED where it takes one size only. */
function zoomedNetwork(loaded: Loaded, zoom: number, layoutOf: Tools['layoutOf']): Loaded {
  const { network, runtime } = loaded;
  const made = known.get(network) ?? new Map<number, PackedNetwork>();
  known.set(network, made);
  const zoomed = made.get(zoom) ?? resize(runtime, network, zoom, layoutOf);
  made.set(zoom, zoomed);
  return { ...loaded, network: zoomed };
}

function resize(runtime: Runtime, network: PackedNetwork, zoom: number, layoutOf: Tools['layoutOf']): PackedNetwork {
  const own = network.graph.nodes[0].shape;
  const { h, w } = own;
  const { graph, from, flattened } = resizedGraph(network.graph, Math.round(zoom * h), Math.round(zoom * w));
  const packed = from.map((id): PackedNode => (id === undefined ? { at: {} } : network.packed[id]));
  if (flattened) packed[flattened.node] = onMean(runtime, graph, flattened, packed[flattened.node], own);
  return { ...network, graph, layout: layoutOf(graph), packed };
}

/** A dense layer whose rows are the same for all cells of its map, on the cells' mean; the network's own input is h x w. */
function onMean(
  { arena }: Runtime,
  { nodes }: Graph,
  { node, cells }: { node: number; cells: number },
  { at }: PackedNode,
  { h, w }: { h: number; w: number },
): PackedNode {
  const out = nodes[node].shape.c;
  const size = nodes[nodes[node].from[0]].shape.c * out;
  const first = arena.u8(at.kernel, 4 * size);
  for (let cell = 1; cell < cells; cell++) {
    const other = arena.u8(at.kernel + 4 * cell * size, 4 * size);
    if (!first.every((byte, i) => byte === other[i]))
      throw new AtrousCamError(
        'UNSUPPORTED',
        `zoom: this network takes pictures of ${h} x ${w} only, because "${nodes[node].name}" weighs the places of its map differently; leave zoom out`,
      );
  }
  const kernel = arena.alloc(4 * size);
  const rows = arena.f32(at.kernel, size);
  arena.f32(kernel, size).set(rows.map((value) => cells * value));
  return { at: { ...at, kernel } };
}
