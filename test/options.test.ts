import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import * as lib from '../src/index.js';
import * as kernels from '../src/kernels.js';
import * as metrics from '../src/metrics.js';
import * as training from '../src/training.js';

// What a call does not know is an error with one clear sentence, wherever it is said.
let net: lib.Network;
let explanation: lib.Explanation;
const picture = { width: 40, height: 40, data: new Uint8Array(4800).fill(90) };
beforeAll(async () => {
  net = await lib.load(undefined, { threads: 1 });
  explanation = await net.explain(picture, { mode: 'pooled' });
});
afterAll(() => net.dispose());

/** Options of a type that TypeScript would refuse. */
const wrong = (options: unknown) => options as never;
const map = { width: 16, height: 16, data: new Float32Array(256) };
const whole = async (pieces: AsyncIterable<unknown>) => {
  for await (const _ of pieces);
};

describe('an option that there is not', () => {
  const calls: Record<string, (options: never) => unknown> = {
    load: (o) => lib.load(undefined, o),
    inspect: (o) => lib.inspect(undefined, o),
    readImage: (o) => lib.readImage(picture, o),
    packWeights: (o) => whole(lib.packWeights(undefined, o)),
    pullWeights: (o) => lib.pullWeights('vgg16', o),
    verifyWeights: (o) => lib.verifyWeights('vgg16', o),
    predict: (o) => net.predict(picture, o),
    explain: (o) => net.explain(picture, o),
    'explain ': (o) => net.estimate(o),
    activations: (o) => net.activations(picture, o),
    gradients: (o) => net.gradients(picture, o),
    evidence: (o) => net.evidence(undefined, o),
    preprocess: (o) => net.preprocess(picture, o),
    plan: (o) => net.plan('pooled', o),
    drawFigure: (o) => lib.drawFigure([explanation], o),
    overlay: (o) => explanation.overlay(o),
    drawHeatmap: (o) => lib.drawHeatmap(explanation, o),
    encodePng: (o) => lib.encodePng(picture, o),
    init: (o) => kernels.init(o),
    train: (o) => training.train('pictures', o),
    evaluate: (o) => training.evaluate(net, 'pictures', o),
    evaluateExplanations: (o) => metrics.evaluateExplanations(net, [], o),
    readMaskedPictures: (o) => metrics.readMaskedPictures('pictures', o),
    openProbe: (o) => metrics.openProbe(net, picture, o),
    measureMap: (o) => metrics.measureMap(map, {}, o),
    deletion: (o) => metrics.deletion({} as never, map, o),
    insertion: (o) => metrics.insertion({} as never, map, o),
    road: (o) => metrics.road({} as never, map, o),
    grid: (o) => metrics.gridNumber(map, o),
    bootstrap: (o) => metrics.bootstrap([1, 2], o),
    randomizationCheck: (o) => metrics.randomizationCheck(new Uint8Array(1), o),
  };

  it.each(Object.entries(calls))('%s', async (call, run) => {
    const error = await (async () => run(wrong({ zzzzzz: 1 })))().then(String, (error) => error);
    expect(error).toMatchObject({ name: 'AtrousCamError', code: 'BAD_ARGUMENT' });
    expect(error.message).toMatch(
      new RegExp(`^${call.trim()}: there is no option "zzzzzz"; there (is|are) \\w+(, \\w+)*$`),
    );
    const misplaced = await (async () => run(wrong(['gradcam'])))().then(String, (error) => error);
    expect(misplaced.message).toBe(`${call.trim()}: expected an object of options, got ["gradcam"]`);
  });

  it('is answered with the one that was meant', async () => {
    await expect(net.explain(picture, wrong({ modus: 'atrous' }))).rejects.toThrow(
      'explain: there is no option "modus"; did you mean "mode"?',
    );
    await expect(lib.load(undefined, wrong({ limits: { pixel: 1 } }))).rejects.toThrow('did you mean "pixels"?');
    await expect(net.predict(picture, { preprocessing: wrong({ fitt: 'crop' }) })).rejects.toThrow(
      'preprocessing: there is no option "fitt"; did you mean "fit"?',
    );
  });
});

it.each<[object, RegExp]>([
  [{ layer: -1 }, /^layer: expected a name, or a list of names, got -1$/],
  [{ layer: [] }, /^layer: expected a name, or a list of names, got \[\]$/],
  [{ layer: [7] }, /^layer: expected one of block1_conv1, .*, got 7$/],
  [{ method: ['gradcam'] }, /^method: expected one of gradcam, .*, got \["gradcam"\]$/],
  [{ method: 'grad-cam' }, /^method: expected one of gradcam, .*, got 'grad-cam'$/],
  [{ mode: null, sign: {} }, /^sign: expected one of positive, negative, absolute, signed, got \{\}$/],
  [{ mode: 3 }, /^mode: expected one of pooled, dilated, atrous, got 3$/],
  [{ target: {} }, /^target: expected a class, a list of classes/],
  [{ seed: '1' }, /^seed: expected a whole number/],
  [
    { mode: 'dilated', outputStride: 4 },
    /^outputStride: mode 'dilated' has 1, got 4; leave it out, or take mode 'atrous'$/,
  ],
])('explain(%j) says what was expected', async (options, message) => {
  const error = await net.explain(picture, wrong(options)).then(String, (error) => error);
  expect(error.code).toMatch(/^(BAD_ARGUMENT|UNSUPPORTED)$/);
  expect(error.message).toMatch(message);
});
