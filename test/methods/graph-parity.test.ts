import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ExplainOptions } from '../../src/api.js';
import { explain } from '../../src/calls/explain.js';
import { layerName } from '../../src/graph/names.js';
import type { Loaded } from '../../src/run/loaded.js';
import { Runtime } from '../../src/wasm/runtime.js';
import { graphFixtures } from '../support/graph-fixtures.js';
import { asRead, loadGraph } from '../support/loaded-graph.js';
import { pytorchMethods } from '../support/methods.js';
import { expectClose, readReferences } from '../support/references.js';

/** Methods on small networks of four families, against pytorch-grad-cam; test/fixtures/graphs/make_cams.py says what each tensor is. */
const NAMES = ['residual', 'pre-activation', 'inverted', 'same'];
const folder = new URL('../fixtures/graphs/', import.meta.url).pathname;
/** The library leaves the sign of these to chance. */
const EIGEN = ['EigenCAM', 'EigenGradCAM', 'KPCA_CAM'];
/** Of `randomcam`. */
const SEED = 3;

let runtime: Runtime;
beforeAll(async () => {
  runtime = await Runtime.create({ threads: 1, kernels: 'simd' });
});
afterAll(() => runtime.dispose());

describe.each(graphFixtures().filter(({ name }) => NAMES.includes(name)))('$name', (fixture) => {
  const { graph, weights, input, target } = fixture;
  const references = readReferences(`${folder}${fixture.name}.cams.safetensors`);
  const names = [...references.keys()];
  const nameOf = (place: string) => layerName(graph, place === 'layer' ? fixture.layer : fixture.inner);
  let loaded: Loaded;
  beforeAll(async () => {
    loaded = await loadGraph(runtime, asRead(graph), weights);
  });
  const run = (options: ExplainOptions) =>
    explain(loaded, { tensor: input }, { mode: 'pooled', target, smoothing: 'none', seed: SEED, ...options });

  it.each(names.filter((name) => name.includes('/') && !name.endsWith('.finished')))('%s', async (key) => {
    const [place, method] = key.split('/');
    const score = place === 'probability' ? 'probability' : 'logit';
    const explained = await run({ method: pytorchMethods[method], layer: nameOf(place), score });
    let expected = references.get(key)!.data as Float32Array;
    // Ablation-CAM divides by the score's magnitude here.
    if (method === 'AblationCAM' && explained.score < 0) expected = expected.map((value) => -value);
    const { data } = explained.raw;
    const isTurned = EIGEN.includes(method) && expected.reduce((sum, value, i) => sum + value * data[i], 0) < 0;
    expectClose(isTurned ? data.map((value) => -value) : data, expected, 1e-4, key);
  });
});

describe.each(graphFixtures().filter(({ name }) => NAMES.includes(name)))('$name, placed as cells', (fixture) => {
  const { graph, weights, input, target } = fixture;
  const references = readReferences(`${folder}${fixture.name}.cams.safetensors`);
  let loaded: Loaded;
  beforeAll(async () => {
    loaded = await loadGraph(runtime, asRead(graph), weights);
  });
  const finished = async (options: ExplainOptions) => {
    const fixed = { mode: 'pooled', target, align: 'cells' } as const;
    return (await explain(loaded, { tensor: input }, { ...fixed, ...options })).map.data;
  };

  it.each(['layer', 'inner'] as const)('the finished map: %s', async (place) => {
    const layer = layerName(graph, fixture[place]);
    expectClose(await finished({ layer }), references.get(`${place}/GradCAM.finished`)!.data, 1e-4, place);
  });

  it('FullGrad', async () => {
    expectClose(await finished({ method: 'fullgrad' }), references.get('FullGrad')!.data, 1e-4, 'FullGrad');
  });
});

describe.each(graphFixtures())('$name, shift by shift', (fixture) => {
  const { graph, weights, input, target, outputStride, reference } = fixture;
  const layer = layerName(graph, fixture.layer);
  let loaded: Loaded;
  beforeAll(async () => {
    loaded = await loadGraph(runtime, asRead(graph), weights);
  });

  it.each([
    ['pooled', 'one', 'gradcam'],
    ['atrous', 'one', 'atrous_gradcam'],
    ['atrous', 'each', 'each_gradcam'],
    ['atrous', 'mean', 'mean_gradcam'],
    ['dilated', 'one', 'dilated_gradcam'],
  ] as const)("Grad-CAM's raw map is PyTorch's: %s, heads %s", async (mode, heads, key) => {
    const { raw } = await explain(
      loaded,
      { tensor: input },
      {
        ...{ mode, heads, target, layer },
        ...(mode === 'atrous' && { outputStride }),
      },
    );
    expectClose(raw.data, reference(key), 1e-5, key);
  });
});

describe.each(graphFixtures().filter(({ graph }) => graph.head === 'sigmoid'))('$name, a sigmoid head', (fixture) => {
  const { graph, weights, input } = fixture;
  let loaded: Loaded;
  beforeAll(async () => {
    loaded = await loadGraph(runtime, asRead(graph), weights);
  });
  const of = (target: ExplainOptions['target'], options: ExplainOptions = {}) =>
    explain(loaded, { tensor: input }, { mode: 'pooled', target, ...options });
  const sum = (a: Float32Array, b: Float32Array, factor: number) => a.map((value, i) => value + factor * b[i]);

  it('explains a class, several, their mean, a difference, a function and the likeliest', async () => {
    const [zero, one] = [await of(0), await of(1)];
    const { data: a } = zero.raw;
    const { data: b } = one.raw;
    const isOne = graph.nodes[graph.logits].shape.c === 1;
    if (isOne) {
      expectClose(
        a,
        b.map((value) => -value),
        1e-6,
        'class 0 is the opposite of class 1',
      );
      expect(zero.score).toBe(-one.score);
      expectClose(
        zero.probabilities,
        zero.probabilities
          .slice()
          .reverse()
          .map((p) => 1 - p),
        1e-6,
        'add up',
      );
    } else {
      expectClose((await of([0, 1])).raw.data, sum(a, b, 1), 1e-5, 'several');
      expectClose(
        (await of({ mean: [0, 1] })).raw.data,
        sum(a, b, 1).map((value) => value / 2),
        1e-5,
        'mean',
      );
    }
    expectClose((await of({ for: 0, against: 1 })).raw.data, sum(a, b, -1), 1e-5, 'difference');
    const own = (z: Float32Array) => ({ value: 2 * z[1], gradient: z.map((_, i) => (i === 1 ? 2 : 0)) });
    expectClose((await of(own)).raw.data, sum(b, b, 1), 1e-5, 'function');
    const { probabilities, target } = await of('top');
    expect(target.index).toBe(probabilities.indexOf(probabilities.reduce((x, y) => Math.max(x, y))));
    const p = one.probabilities[1];
    const slope = p * (1 - p);
    expectClose(
      (await of(1, { score: 'probability' })).raw.data,
      b.map((value) => slope * value),
      1e-5,
      'probability',
    );
  });
});

it('every method that both have is compared', () => {
  const [{ name }] = graphFixtures();
  const compared = [...readReferences(`${folder}${name}.cams.safetensors`).keys()].map((key) => key.split('/')[1]);
  expect(new Set(compared.filter((method) => method && !method.includes('.')))).toEqual(
    new Set(Object.keys(pytorchMethods)),
  );
});
