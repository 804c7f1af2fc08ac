import { describe, expect, it } from 'vitest';
import { combineMaps, partsOf, shrinkMap } from '../bench/study/maps.js';
import { classOf, networks } from '../bench/study/networks.js';
import { counts, metricsOf, orderPictures, pendingWork, planTasks, scaleCounts } from '../bench/study/plan.js';
import { verdict, withTables } from '../bench/study/report.js';
import { chooseRows, pictured, randomized, reference, rows, unjudged, unzoomed } from '../bench/study/rows.js';
import { summarizeNetwork } from '../bench/study/summary.js';
import { load } from '../src/index.js';

const pictures = ['cat', 'dog'].flatMap((label) =>
  Array.from({ length: 30 }, (_, i) => ({ file: `${label}/${i}.jpg`, label })),
);
const planned = scaleCounts(20);
const tasks = planTasks(orderPictures(pictures, 1), planned);

describe("the study's plan", () => {
  it('takes the same balanced pictures for the same seed', () => {
    const ordered = orderPictures(pictures, 1);
    expect(ordered.map(({ label }) => label)).toEqual(pictures.map((_, i) => (i % 2 ? 'dog' : 'cat')));
    expect(new Set(ordered).size).toBe(pictures.length);
    expect(orderPictures([...pictures].reverse(), 1)).toEqual(ordered);
    expect(orderPictures(pictures, 2)).not.toEqual(ordered);
  });

  it('makes mosaics with one picture of the explained species, in every cell and of both species', () => {
    for (const size of [2, 4]) {
      const mosaics = planTasks(orderPictures(pictures, 1), {
        catdog: { pictures: 1, mosaics: 2 * size, curves: 1 },
      }).filter(({ kind }) => kind === `mosaic${size}`);
      const explained = mosaics.map(({ pictures: cells, cell }) => {
        const { label } = cells[cell!];
        expect(cells).toHaveLength(size);
        expect(cells.filter((picture) => picture.label === label)).toHaveLength(1);
        return `${label} ${cell}`;
      });
      expect(new Set(explained).size).toBe(2 * size);
    }
  });

  it('is the same for all networks, and every beginning of it has a like part of each', () => {
    const of = (list: typeof tasks, name: string) => list.filter(({ network }) => network === name);
    for (const kind of ['picture', 'mosaic2', 'mosaic4']) {
      const seen = networks.map(({ name }) => of(tasks, name).filter((task) => task.kind === kind));
      const files = seen.map((list) => list.map(({ pictures: own }) => own.map(({ file }) => file)));
      const least = Math.min(...files.map(({ length }) => length));
      for (const one of files) expect(one.slice(0, least)).toEqual(files[0].slice(0, least));
    }
    const half = tasks.slice(0, tasks.length / 2);
    for (const { name } of networks) expect(of(half, name).length / of(tasks, name).length, name).toBeCloseTo(0.5, 0.8);
    expect(new Set(tasks.map(({ id }) => id)).size).toBe(tasks.length);
  });

  it('judges both species for faithfulness, and gives a row no more than its first pictures', () => {
    const singles = tasks.filter(({ kind, network }) => kind === 'picture' && network === 'mobilenet');
    const plain = rows.find(({ name }) => name === reference)!;
    const judged = singles.filter((task) => metricsOf(plain, task, planned).includes('deletion'));
    expect(new Set(judged.map(({ pictures: [{ label }] }) => label))).toEqual(new Set(['cat', 'dog']));
    const dear = { ...plain, name: 'dear', most: { mobilenet: 3 } };
    expect(singles.filter((task) => metricsOf(dear, task, planned).length > 0)).toEqual(singles.slice(0, 3));
    for (const { curves } of Object.values(counts)) expect(curves % 2).toBe(1);
  });

  it('does what is not yet done, and nothing twice', () => {
    const chosen = chooseRows(['uniform map', 'zooms 1,2, product']);
    const all = pendingWork(chosen, tasks, planned, () => undefined);
    const done = new Map<string, Record<string, number>>();
    for (const { task, jobs } of all)
      for (const { row, metrics } of jobs)
        done.set(`${row} ${task.id}`, Object.fromEntries(metrics.map((name) => [name, 0])));
    const known = (row: string, task: { id: string }) => done.get(`${row} ${task.id}`);
    expect(pendingWork(chosen, tasks, planned, known)).toEqual([]);
    const [first] = tasks;
    delete done.get(`uniform map ${first.id}`)!.road;
    expect(pendingWork(chosen, tasks, planned, known)).toEqual([
      { task: first, jobs: [{ row: 'uniform map', metrics: metricsOf(rows[0], first, planned) }] },
    ]);
  });
});

describe("the study's rows", () => {
  it('have names of their own, and what is shown, randomised or not judged is among them', () => {
    const names = rows.map(({ name }) => name);
    expect(new Set(names).size).toBe(names.length);
    for (const name of [reference, ...randomized, ...pictured, ...unjudged]) expect(names).toContain(name);
    const known = networks.map(({ name }) => name);
    for (const name of [...unzoomed, ...rows.flatMap(({ most = {} }) => Object.keys(most))])
      expect(known).toContain(name);
    expect(Object.keys(counts).sort()).toEqual([...known].sort());
  });

  it('are chosen by name, always with the reference', () => {
    expect(chooseRows(['atrous 1*']).map(({ name }) => name)).toEqual([reference, 'atrous 16', 'atrous 1']);
    expect(() => chooseRows(['nothing'])).toThrow("no row 'nothing'");
  });

  it('explain the likeliest class of the species, the breed or the species', async () => {
    const picture = { label: 'cat', row: { breed: 'Bengal' } };
    const sure = async () => Array.from({ length: 1000 }, (_, k) => (k === 283 ? 0.2 : k === 207 ? 0.7 : 0));
    const of = (explains: 'imagenet' | 'breed' | 'species', labels: string[]) =>
      classOf({ explains }, picture, labels, sure);
    expect(await of('imagenet', [])).toBe(283);
    expect(await of('breed', ['pug', 'Bengal'])).toBe(1);
    expect(await of('species', ['cat', 'dog'])).toBe(0);
    await expect(of('breed', ['pug'])).rejects.toThrow("no class 'Bengal'");
  });

  it('combine zooms as the library does', async () => {
    const net = await load(undefined, { threads: 1 });
    const side = 300;
    const image = { width: side, height: side, data: new Uint8Array(3 * side * side).map((_, i) => (i * i) % 251) };
    for (const combine of ['mean', 'product'] as const) {
      const explain = { mode: 'pooled', zoom: [1, 1.5], combine, sign: 'absolute', target: 0 } as const;
      const parts = [];
      for (const options of partsOf(explain)) parts.push((await net.explain(image, options)).map);
      const own = combineMaps(parts, combine);
      const { map } = await net.explain(image, explain);
      expect(map.flat).toBe(false);
      expect(Math.max(...own.data.map((x, i) => Math.abs(x - map.data[i])))).toBeLessThan(1e-5);
    }
    net.dispose();
  });

  it('are measured at the size of the input', () => {
    const map = { width: 4, height: 4, data: Float32Array.from({ length: 16 }, (_, i) => i) };
    expect([...shrinkMap(map, 2).data]).toEqual([2.5, 4.5, 10.5, 12.5]);
    expect(shrinkMap(map, 4)).toBe(map);
    expect(() => shrinkMap(map, 3)).toThrow('multiple of 3');
  });
});

describe("the study's numbers", () => {
  const some = ['uniform map', reference].map((name) => rows.find((row) => row.name === name)!);
  const counted = { catdog: { pictures: 3, mosaics: 0, curves: 9 } };
  const own = planTasks(orderPictures(pictures, 1), counted).filter(({ kind }) => kind === 'picture');
  const entry = (precision: number, i: number) => {
    const judged = { deletion: 0, insertion: 1, road: 0, drop: 0, increase: 0 };
    const measures = { precision, maskiou: 1, pointing: 1, energy: 1, ...(i === 0 && judged) };
    return { seconds: 0.1 * (i + 1), bytes: i, measures };
  };
  const values: Record<string, number[]> = { [reference]: [0.4, 0.5, 0.6], 'uniform map': [0.5, 0.6] };
  const known = (row: string, task: { index: number }) => {
    const precision = values[row][task.index];
    return precision === undefined ? undefined : entry(precision, task.index);
  };

  it('are those of the pictures that all rows have, beside the reference on the same ones', () => {
    const [uniform, plain] = summarizeNetwork(some, own, counted, known as never);
    expect(plain).toMatchObject({ name: reference, values: { precision: { value: 0.45, count: 2 } }, differences: {} });
    expect(uniform.differences).toMatchObject({ precision: { value: 0.1, low: 0.1, high: 0.1, count: 2 } });
    expect(plain).toMatchObject({ seconds: 0.15, bytes: 1, values: { insertion: { value: 1, count: 1 } } });
  });

  it('are called better or worse where the interval, as it is written, leaves 0 out', () => {
    const count = 60;
    expect(verdict({ low: 0.01, high: 0.08, count }, 1)).toBe(' ▲');
    expect(verdict({ low: 0.01, high: 0.08, count }, -1)).toBe(' ▼');
    expect(verdict({ low: -0.08, high: -0.01, count }, -1)).toBe(' ▲');
    expect(verdict({ low: 0.004, high: 0.08, count }, 1)).toBe('');
    expect(verdict({ low: 0.004, high: 0.08, count }, 1, 1)).toBe(' ▲');
    expect(verdict({ low: 0.01, high: 0.08, count: 2 }, 1)).toBe('');
  });

  it("stand between the document's marks", () => {
    const interval = { value: 0.834, low: 0.7, high: 0.9, count: 60 };
    const difference = { value: -0.04, low: -0.08, high: -0.01, count: 60 };
    const row = {
      name: 'zoom 2',
      values: { precision: interval },
      differences: { precision: difference },
      seconds: 0.25,
    };
    const study = {
      machine: { date: 'today', processor: 'P', node: 'N' },
      networks: [{ name: 'lite0', title: 'EfficientNet', rows: [row] }],
    };
    const text = withTables('before <!-- tables: node bench/study.js --> old <!-- /tables --> after', study);
    expect(text).toMatch(/^before <!-- tables/);
    expect(text).toMatch(/<!-- \/tables --> after$/);
    expect(text).toContain('| zoom 2 | 60 | 83 [70, 90]<br>-4 [-8, -1] ▼ |');
    expect(text).not.toContain('old');
    expect(() => withTables('no marks', study)).toThrow('expected <!-- tables');
  });
});
