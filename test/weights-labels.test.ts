import { describe, expect, test } from 'vitest';
import { type Labels, readLabels } from '../src/weights/label-lists.js';
import { classLabels, outputLabels } from '../src/weights/labels.js';
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

describe('labels that a caller gives', () => {
  const [cat, dog, mouse] = ['cat', 'dog', 'mouse, grey'];

  test.each<[string, Labels]>([
    ['a list', [cat, dog, mouse]],
    ['an object by index', { 2: mouse, 0: cat, 1: dog }],
    ['an object by name', { [mouse]: 2, cat: 0, dog: 1 }],
    ["Keras' index", { 0: ['n1', cat], 1: ['n2', dog], 2: ['n3', mouse] }],
    ['lines', 'cat\ndog\nmouse, grey'],
    ['lines as Windows ends them', '\uFEFFcat\r\ndog\r\nmouse, grey\r\n\r\n'],
    ['JSON, a list', '["cat", "dog", "mouse, grey"]'],
    ['JSON by index', '{"0": "cat", "1": "dog", "2": "mouse, grey"}'],
    ['JSON by name', ' {"mouse, grey": 2, "cat": 0, "dog": 1}'],
    ["Teachable Machine's metadata", '{"labels": ["cat", "dog", "mouse, grey"], "imageSize": 224}'],
    ['CSV', '0,cat\n1,dog\n2,"mouse, grey"'],
    ['CSV in another order, with headings', 'index,name\n2,"mouse, grey"\n0,cat\n1,dog\n'],
    ['CSV, the index behind', 'name;index\ncat;0\ndog;1\nmouse, grey;2'],
    ['CSV of names alone', 'name\ncat\ndog\n"mouse, grey"'],
    ["Teachable Machine's", '0 cat\n1 dog\n2 mouse, grey\n'],
  ])('%s', (_, given) => expect(readLabels(given)).toEqual([cat, dog, mouse]));

  test.each<[string, string[]]>([
    ['0\n1\n2', ['0', '1', '2']],
    ['10 francs\n20 francs', ['10 francs', '20 francs']],
    ['n01440764 tench, Tinca tinca\nn01443537 goldfish', ['n01440764 tench, Tinca tinca', 'n01443537 goldfish']],
    ['0,"a ""b"""\n1,c', ['a "b"', 'c']],
  ])('%j', (given, expected) => expect(readLabels(given)).toEqual(expected));

  test.each<[unknown, string]>([
    ['cat\n\ndog', 'the name of class 1 is empty'],
    ['1,cat\n2,dog', 'its indices begin with 1'],
    ['{"cat": 0, "dog": 2}', 'expected a list of names'],
    ['{"cat": 0, "dog": 0}', 'expected a list of names'],
    ['["cat", 1]', 'expected a list of names'],
    ['["cat"', 'expected a list of names'],
    [{ cat: 0, dog: -1 }, 'expected a list of names'],
    [7, 'expected a list of names'],
    [null, 'expected a list of names'],
    [['x'.repeat(1001)], 'at most 1000 characters'],
    ['x'.repeat(1 << 20), 'at most 2000 characters'],
    [Array(100_001).fill('x'), 'at most 100000 names'],
    ['x\n'.repeat(200_000), 'at most 100000 names'],
  ])('%# is refused', async (given, message) => {
    await expectRefused(() => readLabels(given as Labels), 'BAD_ARGUMENT', message);
  });

  test('they are those of the network, or as many as its classes', async () => {
    const tensors = readEntries(fixturePath('small/micro-vgg16.torchvision.safetensors'));
    const open = async (labels: Labels) => (await openWeights(safetensors(tensors), { labels })).labels;
    const ten = Array.from({ length: 10 }, (_, i) => `kind ${i}`);
    expect(await open(ten)).toEqual(ten);
    expect((await open(['a\u001b[2Jb', ...ten.slice(1)]))[0]).toBe('a [2Jb'); // which would clear a terminal
    await expectRefused(() => open('a\nb'), 'BAD_ARGUMENT', 'labels: expected 10, one a class, got 2');
  });

  test('of a single sigmoid', () => {
    expect(outputLabels(['cat', 'dog'], 2)).toEqual(['cat', 'dog']);
    expect(outputLabels(['dog'], 2)).toEqual(['not dog', 'dog']);
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
