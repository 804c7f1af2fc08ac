import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { sizeFrom } from '../src/base/shape.js';
import { load } from '../src/index.js';
import { loadAsset } from '../src/weights/assets.js';
import { sniffFormat } from '../src/weights/format.js';
import { openWeights } from '../src/weights/open.js';
import { readPickle } from '../src/weights/pickle.js';
import { bytesSource } from '../src/weights/source.js';
import { maxInflated, openZip } from '../src/weights/zip.js';
import { integer, type OnnxNode, type OnnxTensor, onnxFile, packed } from './support/onnx-file.js';
import { expectClose, fixturePath } from './support/references.js';
import {
  allNumbers,
  type Entry,
  expectRefused,
  float32,
  numbers,
  readEntries,
  safetensors,
} from './support/weight-files.js';
import { type ZipMember, zipFile, zipMembers } from './support/zip-file.js';

const formats = ['torchvision.pth', 'torchvision-legacy.pth', 'onnx', 'keras'];
const path = (format: string) => fixturePath(`formats/micro-vgg16.${format}`);
const index = JSON.parse(readFileSync(fixturePath('formats/index.json'), 'utf8'));
const pth = readFileSync(path('torchvision.pth'));
const legacy = readFileSync(path('torchvision-legacy.pth'));
const expected = await allNumbers(await openWeights(pth));

/** A file that counts what is read of it. */
class CountingFile extends File {
  count = 0;
  override slice(start = 0, end = this.size, type?: string): Blob {
    this.count += end - start;
    return super.slice(start, end, type);
  }
}

describe.each(formats)('%s', (format) => {
  test('has the numbers of the other formats', async () => {
    const weights = await openWeights(path(format));
    expect(await allNumbers(weights)).toEqual(expected);
    expect([weights.chain!.inputSize, weights.parameters]).toEqual([96, 49_626]);
    weights.close();
  });

  test("gives PyTorch's logits", async () => {
    const net = await load(path(format), { preprocessing: index.preprocessing, precision: 'exact', threads: 1 });
    const { logits } = await net.predict(fixturePath(`formats/${index.picture}`));
    expectClose(logits, index['pooled.logits'], 1e-5, format);
    net.dispose();
  });
});

describe('only what is needed is read', () => {
  test.each([
    ['torchvision.pth', 20_000],
    ['safetensors', 20_000],
    ['torchvision-legacy.pth', 70_000],
    ['onnx', 70_000],
  ])('%s', async (format, most) => {
    const small = fixturePath('small/micro-vgg16.torchvision.safetensors');
    const content = new Uint8Array(readFileSync(format === 'safetensors' ? small : path(format)));
    const file = new CountingFile([content], format);
    const weights = await openWeights(file);
    const opened = file.count;
    expect(opened).toBeLessThan(most);
    const { kernel } = weights.chain!.blocks[0][0];
    const elements = sizeFrom(kernel.shape);
    await kernel.copyInto(new Float32Array(elements));
    expect(file.count - opened).toBe(4 * elements);
  });
});

describe('the family', () => {
  // convolutions' numbers in torchvision's `features`, without and with batch normalization
  const networks: [string, number[], number[], number[]][] = [
    ['VGG11', [1, 1, 2, 2, 2], [0, 3, 6, 8, 11, 13, 16, 18], [0, 4, 8, 11, 15, 18, 22, 25]],
    ['VGG13', [2, 2, 2, 2, 2], [0, 2, 5, 7, 10, 12, 15, 17, 20, 22], [0, 3, 7, 10, 14, 17, 21, 24, 28, 31]],
    [
      'VGG16',
      [2, 2, 3, 3, 3],
      [0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28],
      [0, 3, 7, 10, 14, 17, 20, 24, 27, 30, 34, 37, 40],
    ],
    [
      'VGG19',
      [2, 2, 4, 4, 4],
      [0, 2, 5, 7, 10, 12, 14, 16, 19, 21, 23, 25, 28, 30, 32, 34],
      [0, 3, 7, 10, 14, 17, 20, 23, 27, 30, 33, 36, 40, 43, 46, 49],
    ],
  ];
  const value = (index: number, i: number) => Math.sin(index * 100 + i);

  test.each(networks)('%s, plain and with batch normalization', async (_, counts, plain, normalized) => {
    for (const indices of [plain, normalized]) {
      const entries: Record<string, Entry> = {};
      for (const [k, index] of indices.entries()) {
        entries[`features.${index}.weight`] = float32([2, k === 0 ? 3 : 2, 3, 3], (i) => value(k, i));
        entries[`features.${index}.bias`] = float32([2], (i) => value(k, i));
        if (indices === plain) continue;
        const norm = { weight: 2, bias: 0.5, running_mean: 0.25, running_var: 4 };
        for (const [name, of] of Object.entries(norm))
          entries[`features.${index + 1}.${name}`] = float32([2], () => of);
      }
      const { blocks, inputSize, dense } = (await openWeights(safetensors(entries), { inputSize: 96 })).chain!;
      expect([blocks.map(({ length }) => length), inputSize, dense]).toEqual([counts, 96, []]);
      const scale = indices === plain ? 1 : 2 / Math.sqrt(4 + 1e-5);
      const [kernels, biases] = [[] as number[], [] as number[]];
      for (const { kernel, bias } of blocks.flat()) {
        kernels.push((await numbers(kernel))[0]); // (0, 0, 0, 0) in either layout
        biases.push((await numbers(bias))[1]);
      }
      const shifted = (b: number) => (indices === plain ? b : (b - 0.25) * scale + 0.5);
      expectClose(
        kernels,
        indices.map((_, k) => value(k, 0) * scale),
        1e-6,
        'kernels',
      );
      expectClose(
        biases,
        indices.map((_, k) => shifted(value(k, 1))),
        1e-6,
        'biases',
      );
    }
  });
});

describe('HDF5', () => {
  test('only what is needed is read', async () => {
    const file = new Uint8Array(readFileSync(path('keras')));
    const inside = await (await openZip(bytesSource(file, 'x'))).member('model.weights.h5');
    const whole = await inside!.read(0, inside!.size);
    const source = bytesSource(whole, 'x');
    let count = 0;
    const { openHdf5 } = await import('../src/weights/hdf5.js');
    const { readKerasNetwork } = await import('../src/weights/keras.js');
    const counted = {
      ...source,
      readInto(offset: number, target: Uint8Array) {
        count += target.length;
        source.readInto!(offset, target);
      },
    };
    const hdf5 = await openHdf5(counted, () => loadAsset('hdf5'));
    const [{ kernel }] = readKerasNetwork(hdf5).blocks[0];
    const opened = count;
    expect(opened).toBeLessThan(whole.length / 2);
    await kernel.readRows(0, new Float32Array(3 * 3 * 3 * 8));
    expect(count - opened).toBe(4 * 3 * 3 * 3 * 8);
    hdf5.close();
  });
});

describe('.pth', () => {
  const members = zipMembers(pth);
  const archive = (change: (member: ZipMember) => ZipMember | undefined) =>
    zipFile(members.map(change).filter((member) => member !== undefined));
  const replace = (ending: string, data: Uint8Array) =>
    archive((member) => (member.name.endsWith(ending) ? { ...member, data } : member));

  test('compressed members are unpacked', async () => {
    const weights = await openWeights(archive((member) => ({ ...member, deflate: true })));
    expect(await allNumbers(weights)).toEqual(expected);
  });

  test('a checkpoint of DataParallel: state_dict, names with "module."', async () => {
    const text = (value: string) => [0x8c, value.length, ...Buffer.from(value)];
    const original = zipMembers(pth).find(({ name }) => name.endsWith('data.pkl'))!.data;
    // {'epoch': 3, 'state_dict': {...}}: the old pickle without its protocol and its end, between the new dictionary's parts
    const pickle = [
      0x80,
      4,
      0x7d,
      0x28,
      ...text('epoch'),
      0x4b,
      3,
      ...text('state_dict'),
      ...original.slice(2, -1),
      0x75,
      0x2e,
    ];
    expect(await allNumbers(await openWeights(replace('data.pkl', Uint8Array.from(pickle))))).toEqual(expected);
  });

  const pickled = (body: string) => Buffer.from(`\x80\x02${body}.`, 'latin1');
  const cases: [string, Uint8Array, RegExp][] = [
    [
      'a call of the system',
      pickled('cos\nsystem\n(X\x02\x00\x00\x00lstR'),
      /names "os.system".*nothing of it was executed/,
    ],
    ['eval', pickled('c__builtin__\neval\n(X\x01\x00\x00\x001tR'), /names "__builtin__.eval"/],
    ['a class by protocol 4', pickled('\x8c\x02os\x8c\x06system\x93'), /names "os.system"/],
    ['an object', pickled('(i__main__\nModel\n'), /instruction 0x69/],
    ['a whole model', pickled('ctorchvision.models.vgg\nVGG\n)\x81'), /names "torchvision.models.vgg.VGG"/],
    ['a number', pickled('K\x01'), /expected a dictionary of tensors/],
    ['nothing on the stack', pickled(''), /instructions make no sense/],
    ['a lonely mark', pickled('('), /instructions make no sense/],
    ['what was never remembered', pickled('h\x05'), /instructions make no sense/],
    ['a cut pickle', pickled('X\xff\x00\x00\x00abc'), /its pickle is cut off/],
    ['too many instructions', pickled('}'.repeat(300_000)), /more than 200000 instructions/],
    ['no tensors', pickled('}'), /got no tensors/],
  ];
  test.each(cases)('refuses %s', (_, pickle, message) =>
    expectRefused(() => openWeights(replace('data.pkl', pickle)), 'BAD_WEIGHTS', message),
  );

  test('"__proto__" is a name like any other', () => {
    const { value } = readPickle(pickled('}X\x09\x00\x00\x00__proto__}X\x01\x00\x00\x00aK\x01ss'));
    expect(value).toEqual(new Map([['__proto__', new Map([['a', 1]])]]));
    expect(({} as { a?: number }).a).toBeUndefined();
  });

  test('refuses what is missing or of another size', async () => {
    const missing = archive((member) => (member.name.endsWith('data/3') ? undefined : member));
    await expectRefused(() => openWeights(missing), 'BAD_WEIGHTS', 'expected 32 bytes in "data/3", got no such member');
    await expectRefused(() => openWeights(replace('data/3', new Uint8Array(28))), 'BAD_WEIGHTS', 'got 28');
    await expectRefused(() => openWeights(replace('byteorder', Buffer.from('big'))), 'BAD_WEIGHTS', 'big-endian');
    for (const length of [100, 3000, 4000, legacy.length - 1])
      await expectRefused(() => openWeights(legacy.subarray(0, length)), 'BAD_WEIGHTS', /truncated|got the end/);
    await expectRefused(() => openWeights(pth.subarray(0, pth.length - 1)), 'BAD_WEIGHTS', 'truncated');
  });

  test('refuses a tensor that is not in order', async () => {
    const pickle = Buffer.from(zipMembers(pth).find(({ name }) => name.endsWith('data.pkl'))!.data);
    const strides = pickle.indexOf(Buffer.from([0x4b, 27, 0x4b, 9, 0x4b, 3, 0x4b, 1]));
    pickle[strides + 1] = 1;
    pickle[strides + 7] = 27;
    await expectRefused(
      () => openWeights(replace('data.pkl', pickle)),
      'BAD_WEIGHTS',
      /"features.0.weight".*contiguous/,
    );
  });
});

describe('zip', () => {
  const open = (file: Uint8Array) => openZip(bytesSource(file, 'x'));
  const text = (value: string) => new TextEncoder().encode(value);

  test('finds members in place and unpacks compressed ones', async () => {
    const zip = await open(
      zipFile(
        [
          { name: 'a', data: text('stored') },
          { name: 'b', data: text('deflated'.repeat(999)), deflate: true },
        ],
        'PK\x05\x06 comment',
      ),
    );
    expect(zip.names).toEqual(['a', 'b']);
    const [a, b] = [(await zip.member('a'))!, (await zip.member('b'))!];
    expect(new TextDecoder().decode(await a.read(1, 3))).toBe('tor');
    expect(b.size).toBe(8 * 999);
    expect(await zip.member('../a')).toBeUndefined();
    await expectRefused(() => a.read(0, 7), 'BAD_WEIGHTS', 'truncated');
  });

  test('refuses bombs before and while they go off', async () => {
    const zeros = (name: string, size: number): ZipMember => ({ name, data: new Uint8Array(size), deflate: true });
    const large = await open(zipFile([zeros('model', maxInflated + 1)]));
    await expectRefused(() => large.member('model'), 'BAD_WEIGHTS', /compressed members of at most 67108864 bytes/);
    const half = maxInflated / 2 + 1;
    const two = await open(zipFile([zeros('a', half), zeros('b', half)]));
    await two.member('a');
    await expectRefused(() => two.member('b'), 'BAD_WEIGHTS', /in all, got more with "b"/);
    const liar = await open(zipFile([{ ...zeros('a', 1e6), size: 1000 }]));
    await expectRefused(() => liar.member('a'), 'BAD_WEIGHTS', 'unpacks to more than the 1000 bytes it states');
    const boaster = await open(zipFile([{ ...zeros('a', 1000), size: 1001 }]));
    await expectRefused(() => boaster.member('a'), 'BAD_WEIGHTS', 'does not unpack to the 1001 bytes');
  });

  test('refuses damage', async () => {
    const good = Buffer.from(
      zipFile([
        { name: 'a', data: text('abc') },
        { name: 'b', data: text('abc') },
      ]),
    );
    const changed = (change: (bytes: Buffer) => void) => {
      const bytes = Buffer.from(good);
      change(bytes);
      return bytes;
    };
    const directory = good.readUInt32LE(good.length - 6);
    const cases: [Uint8Array, RegExp][] = [
      [good.subarray(0, good.length - 3), /directory is missing/],
      [changed((bytes) => bytes.writeUInt32LE(1e6, bytes.length - 6)), /lies beyond the end/],
      [changed((bytes) => bytes.writeUInt16LE(3, bytes.length - 12)), /expected 3 members in its directory, got 2/],
      [changed((bytes) => bytes.writeUInt16LE(999, directory + 28)), /directory is damaged/],
      [changed((bytes) => bytes.writeUInt8(0x61, directory + 47 + 46)), /"a" occurs twice/],
      [changed((bytes) => bytes.writeUInt32LE(0xffffffff, bytes.length - 6)), /64-bit directory is missing/],
    ];
    for (const [bytes, message] of cases) await expectRefused(() => open(bytes), 'BAD_WEIGHTS', message);
    const members: [Uint8Array, RegExp][] = [
      [changed((bytes) => bytes.writeUInt32LE(5, directory + 42)), /"a" is not where the directory says/],
      [changed((bytes) => bytes.writeUInt32LE(1e6, directory + 42)), /"a" lies beyond the end/],
      [changed((bytes) => bytes.writeUInt32LE(4, directory + 20)), /"a" has two sizes/],
      [changed((bytes) => bytes.writeUInt16LE(1, directory + 8)), /"a" is encrypted/],
      [changed((bytes) => bytes.writeUInt16LE(99, directory + 10)), /packed by method 99/],
    ];
    for (const [bytes, message] of members)
      await expectRefused(async () => (await open(bytes)).member('a'), 'BAD_WEIGHTS', message);
    await expectRefused(() => openWeights(good), 'BAD_WEIGHTS', /got a zip archive of "a", "b"/);
    const npz = zipFile([{ name: 'fc1.npy', data: Buffer.from('x') }]);
    await expectRefused(() => openWeights(npz), 'BAD_WEIGHTS', 'got .npz; save its arrays as safetensors');
  });
});

describe('.keras', () => {
  test('compressed, as other zip programs make it', async () => {
    const members = zipMembers(readFileSync(path('keras'))).map((member) => ({ ...member, deflate: true }));
    expect(await allNumbers(await openWeights(zipFile(members)))).toEqual(expected);
  });
});

describe('torchvision', () => {
  const tensors = readEntries(fixturePath('small/micro-vgg16.torchvision.safetensors'));

  test('a file without its last convolution is refused', async () => {
    const cut = Object.fromEntries(Object.entries(tensors).filter(([name]) => !name.startsWith('features.28')));
    await expectRefused(
      () => openWeights(safetensors(cut)),
      'BAD_WEIGHTS',
      'expected the convolutions per block of VGG11, 13, 16 or 19, got 2, 2, 3, 3, 2; a layer is missing',
    );
  });

  test('bfloat16 and float64', async () => {
    const plain = await allNumbers(await openWeights(safetensors(tensors)));
    const wide = (entry: Entry): Entry => ({
      ...entry,
      dtype: 'F64',
      data: new Uint8Array(Float64Array.from(new Float32Array(entry.data.buffer)).buffer),
    });
    const upper = (entry: Entry): Entry => ({
      ...entry,
      dtype: 'BF16',
      data: new Uint8Array(Uint16Array.from(new Uint32Array(entry.data.buffer), (bits) => bits >>> 16).buffer),
    });
    const all = (change: (entry: Entry) => Entry) =>
      safetensors(Object.fromEntries(Object.entries(tensors).map(([name, entry]) => [name, change(entry)])));
    expect(await allNumbers(await openWeights(all(wide)))).toEqual(plain);
    for (const [name, values] of await allNumbers(await openWeights(all(upper))))
      expectClose(values, plain.get(name)!, 2 ** -7, name);
  });
});

describe('ONNX', () => {
  const tensors = readEntries(fixturePath('small/micro-vgg16.torchvision.safetensors'));
  const indices = [0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28];
  const pools = [2, 7, 14, 21, 28];
  const convolution = { kernel_shape: [3, 3], pads: [1, 1, 1, 1] };
  const window = { kernel_shape: [2, 2], strides: [2, 2] };
  const graph = (): OnnxNode[] => {
    const steps: Omit<OnnxNode, 'output'>[] = indices.flatMap((i) => [
      { operator: 'Conv', inputs: [`features.${i}.weight`, `features.${i}.bias`], attributes: convolution },
      { operator: 'Relu', inputs: [] },
      ...(pools.includes(i) ? [{ operator: 'MaxPool', inputs: [], attributes: window }] : []),
    ]);
    steps.push({ operator: 'Flatten', inputs: [] });
    for (const i of [0, 3, 6])
      steps.push(
        { operator: 'Gemm', inputs: [`classifier.${i}.weight`, `classifier.${i}.bias`], attributes: { transB: 1 } },
        { operator: i < 6 ? 'Relu' : 'Softmax', inputs: [] },
      );
    return steps.map((step, i) => ({
      ...step,
      inputs: [i === 0 ? 'x' : `y${i - 1}`, ...step.inputs],
      output: `y${i}`,
    }));
  };
  const stored = (type: number, field: number, encode: (values: Float32Array) => Uint8Array): OnnxTensor[] =>
    Object.entries(tensors).map(([name, { shape, data }]) => ({
      name,
      shape,
      type,
      field,
      data: encode(new Float32Array(data.buffer)),
    }));
  const raw = (values: ArrayBufferView) => new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
  const floats = stored(1, 9, raw);
  const upperHalves = (values: Float32Array) => Uint16Array.from(new Uint32Array(values.buffer), (bits) => bits >>> 16);

  test('raw data, float_data, double_data, 16-bit numbers raw and as varints', async () => {
    const plain = await allNumbers(await openWeights(safetensors(tensors)));
    const files: [number, OnnxTensor[]][] = [
      [0, floats],
      [0, stored(1, 4, raw)],
      [0, stored(11, 10, (values) => raw(Float64Array.from(values)))],
      [2 ** -7, stored(16, 9, (values) => raw(upperHalves(values)))],
      [2 ** -7, stored(16, 5, (values) => packed(upperHalves(values)))],
    ];
    for (const [tolerance, file] of files)
      for (const [name, values] of await allNumbers(await openWeights(onnxFile(graph(), file))))
        expectClose(values, plain.get(name)!, tolerance, name);
  });

  test('batch normalization with its epsilon is folded', async () => {
    const nodes = graph();
    nodes.splice(1, 0, { operator: 'BatchNormalization', inputs: ['y0', 'g', 'b', 'm', 'v'], output: 'n0' });
    nodes[2].inputs = ['n0'];
    const vector = (name: string, value: number): OnnxTensor => ({
      name,
      shape: [4],
      type: 1,
      field: 9,
      data: float32([4], () => value).data,
    });
    const file = onnxFile(nodes, [...floats, vector('g', 3), vector('b', 1), vector('m', 0.5), vector('v', 4)]);
    const plain = await allNumbers(await openWeights(safetensors(tensors)));
    const folded = await allNumbers(await openWeights(file));
    const scale = 3 / Math.sqrt(4 + 1e-5);
    const [kernel, bias] = ['block1_conv1.kernel [3,3,3,4]', 'block1_conv1.bias [4]'];
    expectClose(
      folded.get(kernel)!,
      plain.get(kernel)!.map((w) => w * scale),
      1e-6,
      kernel,
    );
    expectClose(
      folded.get(bias)!,
      plain.get(bias)!.map((b) => (b - 0.5) * scale + 1),
      1e-6,
      bias,
    );
  });

  const cases: [string, Uint8Array, RegExp][] = [
    ['no tensor', onnxFile(graph(), floats.slice(1)), /"classifier.0.bias"/],
    [
      'integers',
      onnxFile(
        graph(),
        floats.map((t) => ({ ...t, type: 3 })),
      ),
      /for I8 \[/,
    ],
    [
      'too few numbers',
      onnxFile(
        graph(),
        floats.map((t) => ({ ...t, data: t.data.subarray(4) })),
      ),
      /bytes for F32 \[/,
    ],
    ['no graph', Buffer.concat([integer(1, 7), integer(5, 1)]), /unknown format|expected a model with a graph/],
    ['a cut file', onnxFile(graph(), floats).subarray(0, 50_000), /damaged or cut off/],
  ];
  test.each(cases)('refuses %s', (_, file, message) =>
    expectRefused(async () => allNumbers(await openWeights(file)), 'BAD_WEIGHTS', message),
  );
});

test('a brace where safetensors has one does not make an ONNX file one', async () => {
  const head = (length: readonly number[]) =>
    Uint8Array.from([...length, 0x7b, 0x0a, 0x05, 0x69, 0x6d, 0x61, 0x67, 0x65]);
  const formatOf = (length: readonly number[]) => sniffFormat(bytesSource(head(length), 'x'));
  expect(await formatOf([0x08, 0x08, 0x3a, 0xdb, 0xe6, 0x86, 0x0e, 0x0a])).toBe('onnx'); // a graph whose first node has 123 bytes
  expect(await formatOf([0x08, 0x08, 0x3a, 0, 0, 0, 0, 0])).toBe('safetensors');
});
