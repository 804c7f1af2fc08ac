#!/usr/bin/env node
import { parseArgs } from 'node:util';
import { benchNetworks } from './networks.js';

const help = `npm run bench [-- options]

Compares pooled, dilated and atrous Grad-CAM (every output stride) on this machine.

  --weights FILE     another network than the embedded one, e.g. one made by scripts/make-vgg16.js
  --threads N        threads, by default what the machine offers
  --kernels SET      auto, simd or relaxed (in Node 20 relaxed sets a V8 flag)
  --seconds S        time for each line, 3 by default
`;

const { values } = parseArgs({
  options: {
    weights: { type: 'string' },
    threads: { type: 'string' },
    kernels: { type: 'string' },
    seconds: { type: 'string' },
    help: { type: 'boolean', short: 'h' },
  },
});
if (values.help) console.log(help);
else {
  const number = (text) => (text === undefined ? undefined : Number(text));
  await benchNetworks({ ...values, threads: number(values.threads), seconds: number(values.seconds) });
}
