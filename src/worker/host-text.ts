import text from 'text:build/worker-host.js';

/** The worker's side as a classic script that imports nothing: made of src/worker-host.ts before the library is bundled. */
export const hostText: string = text;
