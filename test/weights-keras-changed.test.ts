import { describe, expect, test } from 'vitest';
import { AtrousCamError } from '../src/base/errors.js';
import { readKerasGraph } from '../src/weights/keras/graph.js';
import { pooled } from './reference/graph.js';
import { kerasFixtures, openKerasFile, picture, unpackedKeras, weightsOf } from './support/keras-files.js';
import { seeded } from './support/random.js';

const fixture = (name: string) => kerasFixtures().find((one) => one.name === name)!;

const randomBelow = (seed: number) => {
  const next = seeded(seed);
  return (below: number) => Math.floor(next() * below);
};

describe('changed configurations', () => {
  test.each(['chain.3.15.1.keras', 'functions.3.15.1.keras', 'chain.2.15.0.h5'])(
    'each option of %s matters or is refused',
    async (name) => {
      const { bytes, shape } = fixture(name);
      const { file, close } = await unpackedKeras(bytes);
      const answer = async (json: unknown) => {
        const { graph, tensors } = await readKerasGraph({ ...file, config: JSON.stringify(json) });
        const { h, w, c } = graph.nodes[0].shape;
        if (`${[h, w, c]}` !== `${shape}`) return 'another input';
        return `${graph.head} ${pooled(graph, await weightsOf(tensors), picture(shape)).logits()}`;
      };
      const json = JSON.parse(file.config);
      const right = await answer(json);
      const silent: string[] = [];
      for (const { at, key, path } of options(json)) {
        if (harmless.test(path)) continue;
        const value = at[key];
        at[key] = typeof value === 'number' ? value + 1 : typeof value === 'boolean' ? !value : 'softplus';
        const found = await answer(json).catch((error) => {
          expect(error).toBeInstanceOf(AtrousCamError);
          return 'refused';
        });
        if (found === right) silent.push(path);
        at[key] = value;
      }
      close();
      expect(silent).toEqual([]);
    },
  );

  /** Keys that are gone, things in the place of others, once more or where none belong. */
  test.each(['branches.2.13.1.keras', 'nested.3.15.1.h5', 'functions.2.15.0.h5'])(
    '%s: read or refused',
    async (name) => {
      const { file, close } = await unpackedKeras(fixture(name).bytes);
      const random = randomBelow(5);
      let taken = 0;
      const rounds = 150;
      for (let round = 0; round < rounds; round++) {
        const json = JSON.parse(file.config);
        const places = [...allPlaces(json)];
        for (let i = 0; i <= round % 3; i++) damage(places, random);
        const start = performance.now();
        taken += await isTaken(() => readKerasGraph({ ...file, config: JSON.stringify(json) }));
        expect(performance.now() - start, `round ${round}`).toBeLessThan(3000);
      }
      close();
      expect(taken).toBeGreaterThan(rounds / 10);
      expect(taken).toBeLessThan(rounds);
    },
  );
});

test('damaged files are read or refused', async () => {
  const random = randomBelow(9);
  for (const name of ['nested.3.9.0.keras', 'chain.2.15.0.h5']) {
    const whole = fixture(name).bytes;
    let taken = 0;
    for (let round = 0; round < 60; round++) {
      const bytes = whole.slice();
      if (round % 3 === 0) bytes.fill(0, random(bytes.length));
      else if (round % 3 === 1) bytes.fill(255 * random(2), random(bytes.length), random(bytes.length));
      else for (let i = 0; i <= round % 8; i++) bytes[random(bytes.length)] = random(256);
      taken += await isTaken(async () => {
        const network = await openKerasFile(bytes);
        if (network) await weightsOf(network.tensors).finally(network.close);
      });
    }
    expect(taken).toBeLessThan(60);
  }
});

/** 1 where a reader takes something, 0 where it refuses it by an error of ours, in one line. */
async function isTaken(read: () => Promise<unknown>): Promise<number> {
  try {
    await read();
    return 1;
  } catch (error) {
    expect(error).toBeInstanceOf(AtrousCamError);
    expect((error as AtrousCamError).message).toMatch(/^.{1,400}$/);
    return 0;
  }
}

type Place = { at: Record<string, unknown>; key: string };

function* allPlaces(at: Record<string, unknown>): Generator<Place> {
  for (const [key, value] of Object.entries(at)) {
    yield { at, key };
    if (typeof value === 'object' && value !== null) yield* allPlaces(value as Record<string, unknown>);
  }
}

const junk = [null, true, -1, 1.5, 1e300, 2 ** 31, 'x', '', [], [[]], {}, ['conv', 0, 0], '__proto__', [1, 2, 3, 4, 5]];

function damage(places: readonly Place[], random: (below: number) => number): void {
  const { at, key } = places[random(places.length)];
  const other = places[random(places.length)];
  const kind = random(4);
  if (kind === 0) delete at[key];
  else if (kind === 1) at[key] = junk[random(junk.length)];
  else if (kind === 2 || !Array.isArray(at)) at[key] = structuredClone(other.at[other.key]);
  else at.splice(random(at.length + 1), 0, structuredClone(at[Number(key)]));
}

/** Names, what training alone uses, and which call of a layer is meant where it has one. */
const harmless =
  /name|trainable|dtype|registered|initializer|regularizer|constraint|momentum|build_|compile_|module|_clipping|sparse|ragged|optional|synchronized|(Dropout|Noise).*(rate|stddev|seed)|SpatialDropout2D\.data_format|(input|output)_layers|keras_history|inbound_nodes\.\d+\.\d+\.1|shared_object|shape\.\d$|batch_size/;

/** All numbers, flags and texts of a configuration, with the classes that they are in. */
function* options(
  at: Record<string, unknown>,
  path = '',
): Generator<{ at: Record<string, unknown>; key: string; path: string }> {
  for (const [key, value] of Object.entries(at)) {
    const here = `${path}.${typeof at.class_name === 'string' && key === 'config' ? at.class_name : key}`;
    if (typeof value === 'object' && value !== null) yield* options(value as Record<string, unknown>, here);
    else if (value !== null) yield { at, key, path: here };
  }
}
