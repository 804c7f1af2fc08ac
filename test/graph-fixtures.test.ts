import { describe, expect, it } from 'vitest';
import {
  atrous,
  classScore,
  dilated,
  type Evaluation,
  fieldOf,
  findLevels,
  gradCam,
  gradientField,
  pooled,
  seedsOf,
  shiftsOf,
} from './reference/graph.js';
import { graphFixtures } from './support/graph-fixtures.js';
import { expectClose } from './support/references.js';

/** Of the largest: what rounding to float32 leaves. */
const TOLERANCE = 1e-6;

describe.each(graphFixtures())('the reference against PyTorch: $name', (fixture) => {
  const { graph, weights, input, layer, inner, target, outputStride, reference } = fixture;
  const { nodes, head } = graph;
  const score = classScore(head, 'logit', target);
  const compare = (actual: ArrayLike<number>, name: string) =>
    expectClose(actual, reference(name), TOLERANCE, `${fixture.name}: ${name}`);
  const evaluations: Record<'pooled' | 'dilated' | 'atrous', Evaluation> = {
    pooled: pooled(graph, weights, input),
    dilated: dilated(graph, weights, input),
    atrous: atrous(graph, weights, input),
  };

  it('levels', () => {
    const levels = findLevels(graph);
    expect(levels.all.slice(1).map(({ stride, first }) => ({ stride, first }))).toEqual(fixture.levels);
    expect(levels.originOf[layer]).toEqual(fixture.origin);
    expect(shiftsOf(evaluations.atrous, layer, outputStride).shifts).toEqual(fixture.shifts);
  });

  it('pooled: maps and scores', () => {
    const evaluation = evaluations.pooled;
    const logits = evaluation.logits();
    compare(logits, 'logits');
    compare(evaluation.map(layer).data, 'activation');
    compare(evaluation.map(inner).data, 'inner_activation');
    const kinds = ['logit', 'probability', 'loss'] as const;
    compare(
      kinds.map((kind) => classScore(head, kind, target)(logits).value),
      'score',
    );
  });

  it('pooled: gradients and Grad-CAM', () => {
    const evaluation = evaluations.pooled;
    const gradients = evaluation.backward(seedsOf(evaluation, score));
    compare(gradients.map(0), 'dinput');
    compare(gradients.map(layer), 'dlayer');
    compare(gradients.map(inner), 'dinner');
    const cam = gradCam(evaluation, layer, score);
    compare(cam.alpha, 'alpha');
    compare(cam.data, 'gradcam');
  });

  it('pooled: gradients of the loss at all weights', () => {
    const evaluation = evaluations.pooled;
    const loss = classScore(head, 'loss', target);
    const { weights: gradients } = evaluation.backward(seedsOf(evaluation, loss), { weights: true });
    expect([...gradients.keys()].sort()).toEqual([...fixture.gradients.keys()].sort());
    for (const [name, gradient] of gradients) expectClose(gradient, fixture.gradients.get(name)!, TOLERANCE, name);
  });

  it('atrous: maps of all shifts', () => {
    const evaluation = evaluations.atrous;
    compare(fieldOf(evaluation, inner, outputStride).data, 'atrous_inner');
    compare(fieldOf(evaluation, graph.logits, outputStride).data, 'atrous_logits');
    compare(evaluation.logits(), 'logits');
  });

  it('atrous: Grad-CAM of one, each and the mean of the heads', () => {
    const evaluation = evaluations.atrous;
    const cam = (heads: 'one' | 'each' | 'mean') => gradCam(evaluation, layer, score, { heads, outputStride }).data;
    compare(cam('one'), 'atrous_gradcam');
    compare(cam('each'), 'each_gradcam');
    compare(cam('mean'), 'mean_gradcam');
    const options = { heads: 'mean', outputStride } as const;
    compare(gradientField(evaluation, layer, score, options).data, 'mean_dlayer');
    compare(gradientField(evaluation, 0, score, options).data, 'mean_dinput');
  });

  it('dilated: logits, gradients and Grad-CAM', () => {
    const evaluation = evaluations.dilated;
    const { h, w } = nodes[0].shape;
    const cam = gradCam(evaluation, layer, score);
    expect(cam).toMatchObject({ h, w });
    compare(evaluation.logits(), 'dilated_logits');
    compare(cam.alpha, 'dilated_alpha');
    compare(cam.data, 'dilated_gradcam');
    compare(gradientField(evaluation, 0, score).data, 'dilated_dinput');
  });
});
