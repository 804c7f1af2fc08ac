import { measureTask, openNetworks } from './measure.js';
import { rows } from './rows.js';

/** A process of the study: told the folder of the networks, then one task after the other. Rows come by name, because they hold functions. */
const rowOf = (name) => rows.find((row) => row.name === name);
const zoo = process.argv[2];
const network = openNetworks(zoo);

process.on('message', async ({ task, jobs }) => {
  try {
    const named = jobs.map(({ row, metrics }) => ({ row: rowOf(row), metrics }));
    await measureTask(task, named, network, zoo, ({ row }, entry) => process.send({ row: row.name, task, entry }));
    process.send({ done: true });
  } catch (error) {
    process.send({ error: `${task.id}: ${error.stack}` });
  }
});
process.on('disconnect', () => process.exit());
