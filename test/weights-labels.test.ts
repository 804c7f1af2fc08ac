import { describe, expect, test } from 'vitest';
import { classLabels } from '../src/weights/labels.js';
import { openWeights, resolveTarget } from '../src/weights/open.js';
import { fixturePath } from './support/references.js';
import { expectRefused, readEntries, safetensors } from './support/weight-files.js';

describe('labels', () => {
  test("1000 classes are ImageNet's", async () => {
    const labels = await classLabels(1000, undefined, 'x');
    expect(labels).toHaveLength(1000);
    expect([0, 134, 242, 281, 517, 638, 639, 999].map((index) => labels[index])).toEqual([
      'tench',
      'crane',
      'boxer',
      'tabby',
      'crane',
      'maillot',
      'maillot',
      'toilet_tissue',
    ]);
  });

  test('a file may bring its own', async () => {
    const tensors = readEntries(fixturePath('small/micro-vgg16.torchvision.safetensors'));
    const labels = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i', 'j'];
    const open = async (json: string) => (await openWeights(safetensors(tensors, { labels: json }))).labels;
    expect(await open(JSON.stringify(labels))).toEqual(labels);
    await expectRefused(() => open('["a"]'), 'BAD_WEIGHTS', 'expected 10 labels, one a class, got 1');
    await expectRefused(() => open('[1]'), 'BAD_WEIGHTS', 'expected a JSON array of text');
    await expectRefused(() => open('{'), 'BAD_WEIGHTS', 'expected a JSON array of text');
    const preprocessing = (json: string) => openWeights(safetensors(tensors, { preprocessing: json }));
    await expectRefused(
      () => preprocessing('{"fit":"fill"}'),
      'BAD_WEIGHTS',
      'expected fit to be squash, crop, got "fill"',
    );
    await expectRefused(() => preprocessing('7'), 'BAD_WEIGHTS', 'expected a JSON object');
    await expectRefused(
      () => openWeights(safetensors(tensors), { preprocessing: { resize: 'area' as never } }),
      'BAD_ARGUMENT',
      'expected resize to be nearest, bilinear, bicubic, lanczos, got "area"',
    );
  });
});

describe('targets', async () => {
  const labels = await classLabels(1000, undefined, 'x');

  test.each([
    [242, 242],
    ['242', 242],
    [0, 0],
    ['boxer', 242],
    ['Tiger Cat', 282],
    ['great_dane', 246],
    [' tabby ', 281],
  ])('%j is %i', (target, index) => {
    expect(resolveTarget(labels, target)).toBe(index);
  });

  test.each<[string | number, RegExp]>([
    [1000, /expected an index from 0 to 999, got 1000/],
    ['-1', /expected an index from 0 to 999, got -1/],
    [1.5, /expected an index from 0 to 999, got 1.5/],
    [Number.NaN, /expected an index from 0 to 999, got NaN/],
    ['crane', /"crane" names classes 134 and 517; give the index/],
    ['Maillot', /"Maillot" names classes 638 and 639; give the index/],
    ['boxr', /unknown label "boxr"; did you mean "boxer"/],
    ['tiger-cat', /did you mean "tiger_cat"/],
    ['retriever', /did you mean "golden_retriever", /],
    ['qqqqqqqqqqqqqqqq', /unknown label "qqqqqqqqqqqqqqqq"$/],
    ['', /unknown label ""$/],
  ])('%j is refused', (target, message) => expectRefused(() => resolveTarget(labels, target), 'BAD_ARGUMENT', message));

  test.each([
    ['dgo', '; did you mean "dog"?'],
    ['horse', '; the labels are "cat", "dog"'],
    ['', '; the labels are "cat", "dog"'],
  ])('of two labels, %j', (target, hint) =>
    expectRefused(() => resolveTarget(['cat', 'dog'], target), 'BAD_ARGUMENT', `${JSON.stringify(target)}${hint}`),
  );

  test('without classes', () => expectRefused(() => resolveTarget([], 0), 'BAD_ARGUMENT', 'no classes'));
});
