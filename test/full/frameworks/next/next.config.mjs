import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Only because node_modules lies one folder further up. */
export default { turbopack: { root: dirname(fileURLToPath(new URL('.', import.meta.url))) } };
