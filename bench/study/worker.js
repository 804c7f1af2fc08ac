import { measureTask, openNetworks } from './measure.js';
import { rows } from './rows.js';

/** A process of the study: told the networks' files, then one task after the other. Rows come by name, because they hold functions. */
const rowOf = (name) => rows.find((row) => row.name === name);
const network = openNetworks(JSON.parse(process.argv[2]));

process.on('message', async ({ task, jobs }) => {
  try {
    const named = jobs.map(({ row, metrics }) => ({ row: rowOf(row), metrics }));
    await measureTask(task, named, network, ({ row }, entry) => process.send({ row: row.name, task: task.id, entry }));
    process.send({ done: true });
  } catch (error) {
    process.send({ error: error.stack });
  }
});
