#!/usr/bin/env node
import { fileURLToPath } from 'node:url';
import { main } from './cli/main.js';
import { inspect, load, readImage } from './index.js';

const interrupt = new AbortController();
for (const name of ['SIGINT', 'SIGTERM'] as const)
  process.on(name, () => {
    if (interrupt.signal.aborted) process.exit(130); // asked twice: do not wait for anything
    interrupt.abort();
  });

const code = main(process.argv.slice(2), {
  stdout: process.stdout,
  stderr: process.stderr,
  get stdin() {
    return process.stdin; // looked at only where it is read: it would keep the process from its end
  },
  signal: interrupt.signal,
  load,
  readImage,
  inspect,
  page: fileURLToPath(new URL('demo', import.meta.url)),
});
// Output is flushed by now; exit at once, whatever an interrupted call has left running.
code.then((value) => process.exit(value));
