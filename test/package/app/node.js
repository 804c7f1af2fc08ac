import { readFileSync } from 'node:fs';
import { load } from 'atrous-cam';
import { load as loadInWorker } from 'atrous-cam/worker';
import { explain } from './explain.js';

const [photo, weights] = process.argv.slice(2).map((path) => new Uint8Array(readFileSync(path)));
const files = { photo, weights };
console.log(JSON.stringify({ page: await explain(load, files), worker: await explain(loadInWorker, files) }));
