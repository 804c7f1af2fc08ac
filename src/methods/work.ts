import type { Heads, Mode } from '../base/types.js';
import type { Subject } from '../calls/target.js';
import { type ConvLayer, pooledStride, type Topology } from '../graph/topology.js';
import type { FinishedMap, RawMap } from '../map/finish.js';
import { mapSpacing, planMode, stepsUpTo } from '../plan/forward.js';
import { type OnConv, type RunRequest, runPlan, runSteps } from '../run/engine.js';
import { gradientsOf } from '../run/gradient-pass.js';
import { LayerMap } from '../run/layer-map.js';
import type { PackedNetwork } from '../run/packed-network.js';
import { type Runtime, throwIfAborted } from '../wasm/runtime.js';
import { densePoints, type Field, type Pause, type Points } from './field.js';

/** Where the points of a map lie on the input. */
export interface Place {
  /** Pixels from one point to the next. */
  readonly spacing: number;
  /** Input coordinate of point 0: (R - 1) / 2 behind pools that multiply to R, 0 in `dilated`. */
  readonly origin: number;
  /** Points that belong to one phase are this far apart; 1 where the map has one phase only. */
  readonly period: number;
  /** R: the spacing of the pooled network's points, hence the period of a lattice in the map, in pixels. */
  readonly rate: number;
}

/** A method's raw map and where it lies. */
export interface LocatedMap {
  readonly raw: RawMap;
  readonly place: Place;
}

/** The place of a layer's map. */
export function placeOf(
  topology: Topology,
  mode: Mode,
  { block }: Pick<ConvLayer, 'block'>,
  outputStride: number,
): Place {
  const spacing = mapSpacing(mode, block, mode === 'pooled' ? pooledStride(topology) : outputStride);
  const rate = 2 ** block;
  const origin = mode === 'dilated' ? 0 : (rate - 1) / 2;
  return { spacing, origin, rate, period: mode === 'atrous' ? rate / spacing : 1 };
}

/** The place of a map that has a point for each pixel of the input. */
export const AT_INPUT: Place = { spacing: 1, origin: 0, period: 1, rate: 1 };

export interface WorkRequest {
  readonly mode: Mode;
  readonly outputStride: number;
  readonly heads: Heads;
  readonly subject: Pick<Subject, 'score'>;
  readonly layers: readonly ConvLayer[];
  readonly eigenSmooth: boolean;
  readonly seed: number;
  /** Passes through the network that the method will make, for its progress. */
  readonly passes: number;
  /** The finished map of one or several layers' raw ones. */
  readonly finish: (maps: readonly LocatedMap[]) => FinishedMap;
  readonly signal?: AbortSignal;
  readonly onProgress?: (done: number) => void;
}

/** What the network says of the unchanged input. */
export interface Outcome {
  readonly logits: Float32Array;
  readonly probabilities: Float32Array;
  readonly score: number;
}

/** One run of a method on one input: every pass through the network that a method makes goes through here. */
export class Work {
  readonly runtime: Runtime;
  readonly network: PackedNetwork;
  readonly pause: Pause;
  /** High-water mark of the passes so far, in bytes. */
  #peak = 0;
  /** Bytes of the fields that the method works on. */
  #kept = 0;
  #outcome: Outcome | undefined;
  #passes = 0;

  constructor(
    loaded: { runtime: Runtime; network: PackedNetwork },
    /** (side, side, 3) */
    readonly input: Float32Array,
    readonly request: WorkRequest,
  ) {
    this.runtime = loaded.runtime;
    this.network = loaded.network;
    this.pause = () => this.runtime.yieldIfDue()?.then(() => throwIfAborted(request.signal));
  }

  /** Bytes of maps and scratch at most, at a time, and of the fields that the method works on. */
  get peakBytes(): number {
    return this.#peak + this.#kept;
  }

  /** Side of the input. */
  get side(): number {
    return this.network.topology.inputSize;
  }

  placeOf(layer: ConvLayer): Place {
    const { mode, outputStride } = this.request;
    return placeOf(this.network.topology, mode, layer, outputStride);
  }

  /** The score of an input. */
  async scoreOf(input: Float32Array): Promise<number> {
    const { mode, heads, outputStride, subject } = this.request;
    if (mode === 'atrous' && heads === 'mean') {
      const result = await gradientsOf(this, input, {
        ...this.#watch(),
        mode,
        heads,
        outputStride,
        score: subject.score,
      });
      return this.#note(input, result).score;
    }
    return this.#predict(input);
  }

  /**
   * The score of the unchanged input where a channel of a layer holds `ablated`. `points`: what the network's own head sees of the
   * layer, so that only what lies behind it runs again; in `dilated`, where phases are computed one by one, all of it does.
   */
  scoreWithout(layer: ConvLayer, points: Points, channel: number, ablated: number): Promise<number> {
    const { arena } = this.runtime;
    if (this.request.mode === 'dilated') {
      const onConv: OnConv = (step, y) => {
        if (step.layer.name !== layer.name) return;
        for (let i = 0; i < y.h; i++)
          for (let j = 0; j < y.w; j++) arena.f32(y.ptr + 4 * (i * y.row + j * y.pix + channel), 1)[0] = ablated;
      };
      return this.#predict(this.input, { onConv }, true);
    }
    const activation = densePoints(points);
    for (let at = channel; at < activation.length; at += layer.cout) activation[at] = ablated;
    return this.#predict(this.input, { resume: { layer: layer.name, activation } }, true);
  }

  /** Layers' activations and, if asked for, the score's gradient at them. */
  async fields(layers: readonly ConvLayer[], gradient: boolean): Promise<Field[]> {
    const fields = await (gradient ? this.#gradients(layers) : this.#activations(layers));
    for (const field of fields) this.#kept += field.activation.byteLength + field.gradient.byteLength;
    return fields;
  }

  async #gradients(layers: readonly ConvLayer[]): Promise<Field[]> {
    const { mode, heads, outputStride, subject } = this.request;
    const names = layers.map((layer) => layer.name);
    const result = await gradientsOf(this, this.input, {
      ...this.#watch(),
      mode,
      heads,
      outputStride,
      score: subject.score,
      layers: names,
      activations: true,
    });
    this.#note(this.input, result);
    return names.map((name) => {
      const { side, channels, activation, gradient } = result.layers.get(name)!;
      return { height: side, width: side, channels, activation: activation!, gradient };
    });
  }

  async #activations(layers: readonly ConvLayer[]): Promise<Field[]> {
    const { runtime, network, input } = this;
    const { mode, outputStride } = this.request;
    const plan = planMode(network.topology, mode, outputStride);
    const maps = layers.map((layer) => new LayerMap(network.topology, mode, layer, plan.outputStride));
    const mark = runtime.arena.mark();
    const collect: OnConv = ({ layer, at }, y) => maps[layers.indexOf(layer)]?.put(runtime.arena, y, at);
    if (mode === 'atrous') {
      await this.outcome();
      const steps = stepsUpTo(plan, Math.max(...layers.map((layer) => layer.block)));
      await runSteps(runtime, network, plan, steps, input, collect, this.#watch());
      this.#peak = Math.max(this.#peak, runtime.arena.peakSince(mark));
    } else await this.#predict(input, { onConv: collect });
    return maps.map(({ shape: [, height, width, channels], data: activation }) => ({
      height,
      width,
      channels,
      activation,
      gradient: new Float32Array(0),
    }));
  }

  /** dy/dx (side, side, 3) at an input. */
  async inputGradient(input: Float32Array, { guided = false } = {}): Promise<Float32Array> {
    const { mode, heads, outputStride, subject } = this.request;
    const result = await gradientsOf(this, input, {
      ...this.#watch(),
      mode,
      heads,
      outputStride,
      score: subject.score,
      guided,
      input: true,
    });
    this.#note(input, result);
    return result.input!;
  }

  /** What the network says of the unchanged input; computed only if no pass has told yet. */
  async outcome(): Promise<Outcome> {
    if (!this.#outcome) await this.scoreOf(this.input);
    return this.#outcome!;
  }

  /** Counts a pass that needed no pass through the network. */
  advance(): void {
    const { onProgress, passes } = this.request;
    onProgress?.(Math.min(1, ++this.#passes / passes));
  }

  /** A forward pass to the network's own head: in `atrous` that is the pooled network's. `changed`: a layer's output is. */
  async #predict(
    input: Float32Array,
    request: Pick<RunRequest, 'onConv' | 'resume'> = {},
    changed = false,
  ): Promise<number> {
    const { mode, subject } = this.request;
    const plan = planMode(this.network.topology, mode === 'dilated' ? mode : 'pooled');
    const result = await runPlan(this.runtime, this.network, plan, input, { ...this.#watch(), ...request });
    const { logits, probabilities, peakBytes } = result;
    const outcome = { logits, probabilities, score: subject.score(logits, probabilities).value, peakBytes };
    this.#peak = Math.max(this.#peak, peakBytes);
    return changed ? outcome.score : this.#note(input, outcome).score;
  }

  /** Remembers what a pass over the unchanged input said. */
  #note(input: Float32Array, { logits, probabilities, score, peakBytes }: Outcome & { peakBytes: number }): Outcome {
    this.#peak = Math.max(this.#peak, peakBytes);
    const outcome = { logits, probabilities, score };
    if (input === this.input) this.#outcome ??= outcome;
    return outcome;
  }

  /** Signal and progress of the next pass. */
  #watch(): Pick<RunRequest, 'signal' | 'onProgress'> {
    const { signal, onProgress, passes } = this.request;
    throwIfAborted(signal);
    const before = this.#passes++;
    return { signal, onProgress: onProgress && ((done) => onProgress(Math.min(1, (before + done) / passes))) };
  }
}
