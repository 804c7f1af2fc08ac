import type { ExplainRequest } from '../calls/request.js';
import type { Subject } from '../calls/target.js';
import type { Shape } from '../graph/graph.js';
import { combineMaps, type FinishedMap, finishMap, type RawMap } from '../map/finish.js';
import type { PackedNetwork } from '../run/packed-network.js';
import type { Runtime } from '../wasm/runtime.js';
import { passesOf } from './cost.js';
import { shiftedMean, shiftInput } from './shifts.js';
import { METHOD_TABLE } from './table.js';
import { type LocatedMap, type Outcome, Work } from './work.js';

/** A finished map and the raw one that it was made of. */
export interface Explained extends FinishedMap {
  readonly raw: RawMap;
}

export interface MethodResult extends Explained, Outcome {
  readonly peakBytes: number;
}

/** What turns a method's raw maps, of one or several layers, into the finished one. */
export const finisher =
  ({ h: height, w: width }: Pick<Shape, 'h' | 'w'>, { sign, smoothing, combine }: ExplainRequest) =>
  (maps: readonly LocatedMap[]): Explained => {
    const finished = maps.map(({ raw, place: { pitch, origin, rate } }) =>
      finishMap(raw, { width, height, pitch, origin, smoothing, period: rate, sign }),
    );
    if (maps.length === 1) return { ...finished[0], raw: maps[0].raw };
    const layers = finished.map(({ data }) => data);
    return combineMaps(layers, width, combine, sign);
  };

/** Runs a method on an input (rows, columns, channels). */
export async function runMethod(
  loaded: { runtime: Runtime; network: PackedNetwork },
  input: Float32Array,
  request: ExplainRequest,
  subject: Pick<Subject, 'score'>,
  { signal, onProgress }: { signal?: AbortSignal; onProgress?: (done: number) => void },
): Promise<MethodResult> {
  const { h: height, w: width } = loaded.network.graph.nodes[0].shape;
  const copies = request.augSmooth ? augmentations(input, width, height) : [{ input, flipped: false }];
  const results: MethodResult[] = [];
  for (const [i, copy] of copies.entries()) {
    const result = await runShifts(loaded, copy.input, request, subject, {
      signal,
      onProgress: onProgress && ((done) => onProgress((i + done) / copies.length)),
    });
    results.push(copy.flipped ? { ...result, data: mirrored(result.data, width, height) } : result);
  }
  const peakBytes = Math.max(...results.map((result) => result.peakBytes));
  if (results.length === 1) return { ...results[0], peakBytes };
  const data = meanOf(results.map((result) => result.data));
  const flat = results.every((result) => result.flat);
  const unchanged = results[UNCHANGED];
  return { ...unchanged, data, flat, raw: { width, height, data }, peakBytes };
}

/** One input's map: the mean of its shifted copies', of which the first, the input itself, says what the network makes of it. */
async function runShifts(
  loaded: { runtime: Runtime; network: PackedNetwork },
  input: Float32Array,
  request: ExplainRequest,
  subject: Pick<Subject, 'score'>,
  { signal, onProgress }: { signal?: AbortSignal; onProgress?: (done: number) => void },
): Promise<MethodResult> {
  const { layout, graph } = loaded.network;
  const { shape } = graph.nodes[0];
  const { shifts } = request;
  const finish = finisher(shape, request);
  const passes = passesOf(request.facts.cost({ layout, ...request }));
  const runs: LocatedMap[][] = [];
  let outcome: Outcome | undefined;
  let peakBytes = 0;
  for (const [i, shift] of shifts.entries()) {
    const work = new Work(loaded, shiftInput(input, shape, shift), {
      ...request,
      subject,
      passes,
      finish,
      signal,
      onProgress: onProgress && ((done) => onProgress((i + done) / shifts.length)),
    });
    runs.push(await METHOD_TABLE[request.name](work));
    outcome ??= await work.outcome();
    peakBytes = Math.max(peakBytes, work.peakBytes);
  }
  return { ...finish(shiftedMean(runs, shifts)), ...outcome!, peakBytes };
}

/** pytorch-grad-cam's augmentations: the picture and its mirror image, each with its input's numbers times 0.9, 1 and 1.1. */
function augmentations(
  input: Float32Array,
  width: number,
  height: number,
): { input: Float32Array; flipped: boolean }[] {
  const mirror = mirrored(input, width, height);
  return [false, true].flatMap((flipped) =>
    [0.9, 1, 1.1].map((factor) => ({ flipped, input: (flipped ? mirror : input).map((value) => factor * value) })),
  );
}

/** The augmentation that changes nothing. */
const UNCHANGED = 1;

/** Left and right exchanged, of (height, width, any number of channels). */
function mirrored(data: Float32Array, width: number, height: number): Float32Array {
  const channels = data.length / (width * height);
  return data.map((_, i) => {
    const [pixel, k] = [Math.floor(i / channels), i % channels];
    const x = pixel % width;
    return data[(pixel - x + (width - 1 - x)) * channels + k];
  });
}

const meanOf = (maps: readonly Float32Array[]): Float32Array =>
  maps[0].map((_, i) => maps.reduce((sum, map) => sum + map[i], 0) / maps.length);
