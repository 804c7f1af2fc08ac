import { describe, expect, it } from 'vitest';
import { metricsOf, orderPictures, pendingWork, planTasks, scaleCounts } from '../bench/study/plan.js';
import { verdict, withTables } from '../bench/study/report.js';
import { chooseRows, explainOptions, pictured, randomized, reference, rows } from '../bench/study/rows.js';
import { mergeStudies, summarizeRow } from '../bench/study/summary.js';

const pictures = ['cat', 'dog'].flatMap((label) =>
  Array.from({ length: 30 }, (_, i) => ({ file: `${label}/${i}.jpg`, label })),
);
const counts = scaleCounts(20);
const tasks = planTasks(orderPictures(pictures, 1), counts.all);

describe("the study's plan", () => {
  it('takes the same balanced pictures for the same seed', () => {
    const ordered = orderPictures(pictures, 1);
    expect(ordered.map(({ label }) => label)).toEqual(pictures.map((_, i) => (i % 2 ? 'dog' : 'cat')));
    expect(new Set(ordered).size).toBe(pictures.length);
    expect(orderPictures([...pictures].reverse(), 1)).toEqual(ordered);
    expect(orderPictures(pictures, 2)).not.toEqual(ordered);
  });

  it('makes mosaics with one picture of the explained class, in every cell and of both classes', () => {
    for (const size of [2, 4]) {
      const mosaics = planTasks(orderPictures(pictures, 1), { ...counts.all, mosaics: 2 * size }).filter(
        ({ kind }) => kind === `mosaic${size}`,
      );
      const explained = mosaics.map(({ pictures: cells, cell }) => {
        const { label } = cells[cell!];
        expect(cells).toHaveLength(size);
        expect(cells.filter((picture) => picture.label === label)).toHaveLength(1);
        return `${label} ${cell}`;
      });
      expect(new Set(explained).size).toBe(2 * size);
    }
  });

  it('shows each row the first pictures of those that see more', () => {
    const seen = (share: string) => tasks.filter((task) => metricsOf({ name: '', share }, task, counts).length > 0);
    const all = seen('all');
    for (const share of ['half', 'few']) {
      const some = seen(share);
      for (const kind of ['picture', 'mosaic2', 'mosaic4']) {
        const [part, whole] = [some, all].map((list) => list.filter((task) => task.kind === kind));
        expect(part.length).toBeGreaterThan(0);
        expect(part.length).toBeLessThan(whole.length);
        expect(part).toEqual(whole.slice(0, part.length));
      }
    }
  });

  it('does what is not yet done, and nothing twice', () => {
    const chosen = chooseRows(['uniform map', 'dilated']);
    const nothing = pendingWork(chosen, tasks, counts, () => undefined);
    const done = new Map<string, Record<string, number>>();
    for (const { task, jobs } of nothing)
      for (const { row, metrics } of jobs)
        done.set(`${row} ${task.id}`, Object.fromEntries(metrics.map((name) => [name, 0])));
    expect(done.size).toBe(3 * (tasks.length - 1) + 2); // the randomisation test has no uniform map
    const known = (row: string, task: string) => done.get(`${row} ${task}`);
    expect(pendingWork(chosen, tasks, counts, known)).toEqual([]);
    delete done.get(`dilated ${tasks[1].id}`)!.road;
    expect(pendingWork(chosen, tasks, counts, known)).toEqual([
      {
        task: tasks[1],
        jobs: [{ row: 'dilated', metrics: metricsOf(rows.find((row) => row.name === 'dilated')!, tasks[1]) }],
      },
    ]);
  });
});

describe("the study's rows", () => {
  it('have names of their own, and what is shown or randomised is among them', () => {
    const names = rows.map(({ name }) => name);
    expect(new Set(names).size).toBe(names.length);
    for (const name of [reference, ...randomized, ...pictured]) expect(names).toContain(name);
  });

  it('are chosen by name, always with the reference', () => {
    expect(chooseRows(['tuned*']).map(({ name }) => name)).toEqual(['pooled', 'tuned', 'tuned phases']);
    expect(() => chooseRows(['nothing'])).toThrow("no row 'nothing'");
  });

  it('name the last convolutions of blocks', () => {
    const row = { explain: { mode: 'pooled', layer: ['block1', 'block2'] } };
    const layers = ['block1_conv1', 'block1_conv2', 'block2_conv1'];
    expect(explainOptions(row as never, layers)).toEqual({ mode: 'pooled', layer: ['block1_conv2', 'block2_conv1'] });
  });
});

describe("the study's numbers", () => {
  const row = (values: number[]) => {
    const entries = new Map(
      values.map((energy, i) => [`${i}`, { seconds: i, measures: { grid: 0, pointing: 1, energy } }]),
    );
    return (task: string) => entries.get(task) as never;
  };
  const some = ['0', '1', '2'].map((id) => ({ id, kind: 'picture' }));

  it('compare with the reference on the pictures that both have', () => {
    const { values, differences, seconds } = summarizeRow(row([0.5, 0.6, 0.7]), row([0.4, 0.5]), some);
    expect(values).toMatchObject({
      energy: { value: 0.6, count: 3 },
      pointing: { value: 1, low: 1, high: 1, count: 3 },
    });
    expect(differences).toMatchObject({ energy: { value: 0.1, low: 0.1, high: 0.1, count: 2 } });
    expect(seconds).toBe(1);
  });

  it('keep the rows of an earlier study of the same network', () => {
    const study = (network: string, ...names: string[]) => ({
      settings: { network },
      rows: names.map((name) => ({ name, network })),
    });
    const order = ['a', 'b', 'c'];
    const merged = mergeStudies(study('x', 'c', 'a', 'gone'), study('x', 'b'), order);
    expect(merged.rows.map(({ name }) => name)).toEqual(order);
    expect(mergeStudies(study('x', 'a'), study('y', 'b'), order).rows).toEqual([{ name: 'b', network: 'y' }]);
    expect(mergeStudies(undefined, study('y', 'b'), order).rows).toHaveLength(1);
  });

  it('are called better or worse where the interval, as it is written, leaves 0 out', () => {
    expect(verdict({ low: 0.01, high: 0.08 }, 1)).toBe(' ▲');
    expect(verdict({ low: 0.01, high: 0.08 }, -1)).toBe(' ▼');
    expect(verdict({ low: -0.08, high: -0.01 }, -1)).toBe(' ▲');
    expect(verdict({ low: 0.004, high: 0.08 }, 1)).toBe('');
    expect(verdict({ low: 0.004, high: 0.08 }, 1, 1)).toBe(' ▲');
  });

  it("stand between the document's marks", () => {
    const interval = { value: 0.834, low: 0.7, high: 0.9, count: 60 };
    const difference = { value: -0.04, low: -0.08, high: -0.01, count: 60 };
    const study = {
      machine: { date: 'today', processor: 'P', node: 'N' },
      rows: [{ name: 'atrous', values: { pointing: interval }, differences: { pointing: difference }, seconds: 0.25 }],
    };
    const text = withTables('before <!-- tables: node bench/study.js --> old <!-- /tables --> after', study);
    expect(text).toMatch(/^before <!-- tables/);
    expect(text).toMatch(/<!-- \/tables --> after$/);
    expect(text).toContain('| atrous | 60 | 83 [70, 90]<br>-4 [-8, -1] ▼ |');
    expect(text).not.toContain('old');
    expect(() => withTables('no marks', study)).toThrow('expected <!-- tables');
  });
});
