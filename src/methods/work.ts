import type { Heads, Mode } from '../base/types.js';
import type { Subject } from '../calls/target.js';
import type { NodeId, Shape } from '../graph/graph.js';
import type { FinishedMap, RawMap } from '../map/finish.js';
import { enlarge } from '../map/resample.js';
import { biasOf } from '../operators/convolution.js';
import { type Plan, planForward } from '../plan/forward.js';
import type { Grid } from '../plan/modes.js';
import { type Placement, placedGrid } from '../plan/placing.js';
import { type OnTake, type RunRequest, runPlan } from '../run/engine.js';
import { type GradientResult, gradientsOf } from '../run/gradient-pass.js';
import { LayerMap } from '../run/layer-map.js';
import type { PackedNetwork } from '../run/packed-network.js';
import type { ScoreFunction } from '../run/score.js';
import { gemmJob, matrix, transpose } from '../wasm/ops/gemm.js';
import { type Runtime, throwIfAborted } from '../wasm/runtime.js';
import { densePoints, type Field, type Pause, type Points } from './field.js';

/** A method's raw map and where it lies. */
export interface LocatedMap {
  readonly raw: RawMap;
  readonly place: Grid;
}

/** The place of a map that has a point for each pixel of the input. */
export const atInput = ({ h, w }: Shape): Grid => ({
  h,
  w,
  spacing: 1,
  pitch: [1, 1],
  origin: [0, 0],
  low: [0, 0],
  period: 1,
  rate: 1,
});

export interface WorkRequest extends Placement {
  readonly mode: Mode;
  readonly outputStride: number;
  readonly heads: Heads;
  readonly subject: Pick<Subject, 'score'>;
  readonly layers: readonly NodeId[];
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

/** What `ownGradients` is asked for beside layers. */
export interface OwnGradients {
  readonly input?: boolean;
  readonly network?: PackedNetwork;
  readonly score?: ScoreFunction;
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
  readonly #besides = new Map<NodeId, ReadonlyMap<NodeId, Float32Array>>();

  constructor(
    loaded: { runtime: Runtime; network: PackedNetwork },
    /** (rows, columns, channels) */
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

  /** Of the input. */
  get shape(): Shape {
    return this.network.graph.nodes[0].shape;
  }

  placeOf(layer: NodeId): Grid {
    const { mode, outputStride } = this.request;
    return placedGrid(this.network.layout, mode, layer, outputStride, this.request);
  }

  /** Where the own phase's points lie: the pooled network's in `atrous`. */
  ownPlaceOf(layer: NodeId): Grid {
    const { mode } = this.request;
    return placedGrid(this.network.layout, mode === 'atrous' ? 'pooled' : mode, layer, 1, this.request);
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
   * layer, so that only what lies behind it runs again, with what it reads from beside the layer kept from a first pass; in `dilated`,
   * where phases are computed one by one, all of it runs.
   */
  async scoreWithout(layer: NodeId, points: Points, channel: number, ablated: number): Promise<number> {
    const { arena } = this.runtime;
    const { mode } = this.request;
    if (mode === 'dilated') {
      const onTake: OnTake = (_, y) => {
        for (let i = 0; i < y.h; i++)
          for (let j = 0; j < y.w; j++) arena.f32(y.ptr + 4 * (i * y.row + j * y.pix + channel), 1)[0] = ablated;
      };
      const plan = planForward(this.network.layout, { mode, head: true, take: [layer] });
      return this.#run(plan, this.input, { onTake }, true);
    }
    const activation = densePoints(points);
    const { channels } = points.field;
    for (let at = channel; at < activation.length; at += channels) activation[at] = ablated;
    const beside = await this.#beside(layer);
    const given = new Map([...beside, [layer, activation]]);
    const plan = planForward(this.network.layout, { mode: 'pooled', head: true, given: [...given.keys()] });
    return this.#run(plan, this.input, { given }, true);
  }

  /** What the nodes behind a layer read from beside it, such as the other branch of a residual block. */
  async #beside(layer: NodeId): Promise<ReadonlyMap<NodeId, Float32Array>> {
    const known = this.#besides.get(layer);
    if (known) return known;
    const { layout, graph } = this.network;
    const behind = new Set([layer]);
    for (const [id, node] of graph.nodes.entries()) if (node.from.some((from) => behind.has(from))) behind.add(id);
    const read = [...behind].filter((id) => id !== layer).flatMap((id) => graph.nodes[id].from);
    const wanted = [...new Set([...read, ...layout.frontier])].filter((id) => !behind.has(id));
    const maps = new Map<NodeId, Float32Array>();
    if (wanted.length > 0) {
      const plan = planForward(layout, { mode: 'pooled', take: wanted });
      await runPlan(this.runtime, this.network, plan, this.input, {
        signal: this.request.signal,
        onTake: (id, { ptr, h, w, c }) => maps.set(id, this.runtime.arena.f32(ptr, h * w * c).slice()),
      });
    }
    this.#besides.set(layer, maps);
    return maps;
  }

  /** Layers' activations and, if asked for, the score's gradient at them. */
  async fields(layers: readonly NodeId[], gradient: boolean): Promise<Field[]> {
    const fields = await (gradient ? this.#gradients(layers) : this.#activations(layers));
    for (const field of fields) this.#kept += field.activation.byteLength + field.gradient.byteLength;
    return fields;
  }

  async #gradients(layers: readonly NodeId[]): Promise<Field[]> {
    const { mode, heads, outputStride, subject } = this.request;
    const result = await gradientsOf(this, this.input, {
      ...this.#watch(),
      mode,
      heads,
      outputStride,
      score: subject.score,
      layers,
      activations: true,
    });
    this.#note(this.input, result);
    return layers.map((id) => {
      const { height, width, channels, activation, gradient } = result.layers.get(id)!;
      return { height, width, channels, activation: activation!, gradient };
    });
  }

  async #activations(layers: readonly NodeId[]): Promise<Field[]> {
    const { runtime, network, input } = this;
    const { layout } = network;
    const { mode, outputStride } = this.request;
    const maps = new Map(layers.map((id) => [id, new LayerMap(layout, mode, id, outputStride)]));
    const mark = runtime.arena.mark();
    const onTake: OnTake = (id, x, at) => maps.get(id)!.put(runtime.arena, x, at);
    if (mode === 'atrous') {
      await this.outcome();
      const plan = planForward(layout, { mode, outputStride, take: layers });
      await runPlan(runtime, network, plan, input, { onTake, ...this.#watch() });
      this.#peak = Math.max(this.#peak, runtime.arena.peakSince(mark));
    } else await this.#run(planForward(layout, { mode, head: true, take: layers }), input, { onTake });
    return layers.map((id) => {
      const { shape, data: activation } = maps.get(id)!;
      const [, height, width, channels] = shape;
      return { height, width, channels, activation, gradient: new Float32Array(0) };
    });
  }

  /** dy/dx (rows, columns, channels) at an input. */
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

  /**
   * Gradients of the score of the network's own head, which in `atrous` are the pooled network's: at nodes' outputs and, if asked for, at the
   * input. `network` and `score`: others than the method's own, whose answers are not noted.
   */
  async ownGradients(layers: readonly NodeId[], options: OwnGradients = {}): Promise<GradientResult> {
    const { mode, subject } = this.request;
    const { input = false, network = this.network, score = subject.score } = options;
    const own = mode === 'atrous' ? 'pooled' : mode;
    const request = { ...this.#watch(), mode: own, score, layers, input } as const;
    const result = await gradientsOf({ runtime: this.runtime, network }, this.input, request);
    if (network === this.network && score === subject.score) this.#note(this.input, result);
    return result;
  }

  /** Rows of x times rows of y: (rows of x, rows of y), of `inner` numbers each. */
  async products(x: Float32Array, y: Float32Array, inner: number): Promise<Float32Array> {
    const { arena } = this.runtime;
    const [rows, columns] = [x.length / inner, y.length / inner];
    const mark = arena.mark();
    try {
      const [a, b, out] = [x.length, y.length, rows * columns].map((size) => arena.alloc(4 * size));
      arena.f32(a, x.length).set(x);
      arena.f32(b, y.length).set(y);
      const job = gemmJob(matrix(a, rows, inner), transpose(matrix(b, columns, inner)), matrix(out, rows, columns));
      await this.runtime.runAsync(job, this.request.signal);
      return arena.f32(out, rows * columns).slice();
    } finally {
      arena.release(mark);
    }
  }

  /** What a convolution or affine node adds to each of its channels. */
  biasOf(id: NodeId): Float32Array {
    const { arena } = this.runtime;
    const { convs, at } = this.network.packed[id];
    const bias = new Float32Array(this.network.graph.nodes[id].shape.c);
    const parts = convs?.map(biasOf) ?? [at.bias ?? at.shift];
    for (const [i, ptr] of parts.entries()) {
      const count = bias.length / parts.length;
      bias.set(arena.f32(ptr, count), i * count);
    }
    return bias;
  }

  /** A map at the input's size. */
  enlarged({ raw, place }: LocatedMap): Float32Array {
    const { h, w } = this.shape;
    return enlarge(raw, w, h, place);
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

  /** A forward pass to the network's own head: in `atrous` that is the pooled network's. */
  #predict(input: Float32Array): Promise<number> {
    const { mode } = this.request;
    const own = mode === 'dilated' ? mode : 'pooled';
    return this.#run(planForward(this.network.layout, { mode: own, head: true }), input, {});
  }

  /** The score that a forward pass gives. `changed`: of something else than the unchanged input. */
  async #run(
    plan: Plan,
    input: Float32Array,
    request: Pick<RunRequest, 'onTake' | 'given'>,
    changed = false,
  ): Promise<number> {
    const { subject } = this.request;
    const result = await runPlan(this.runtime, this.network, plan, input, { ...this.#watch(), ...request });
    const { logits, probabilities, peakBytes } = result as Required<typeof result>;
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
