/** The job in an engine with files: `node test/engines/main.js` prints what it computes as JSON. Bun and Deno run it, too. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { photo, weightFiles } from './files.js';
import job from './job.js';

const root = new URL('../../', import.meta.url);
const weights = Object.fromEntries(weightFiles.map((path) => [path, fileURLToPath(new URL(path, root))]));
const result = await job({ dist: new URL('dist/', root).href, photo: readFileSync(new URL(photo, root)), weights });
console.log(JSON.stringify(result));
