import type { ConvLayer, Topology } from '../../src/graph/topology.js';
import type { View } from '../../src/wasm/job.js';

/** The convolutions of a network with so many channels and convolutions in each block. */
export function vgg(widths: number[], convs: number[], inputSize: number): Topology {
  let cin = 3;
  const blocks = widths.map((cout, block) =>
    Array.from({ length: convs[block] }, (_, i): ConvLayer => {
      const layer = { name: `block${block + 1}_conv${i + 1}`, block, cin, cout };
      cin = cout;
      return layer;
    }),
  );
  return { inputSize, blocks, dense: [] };
}

/** The index of every float of a view. */
export function* elements(v: View): Generator<number> {
  for (let y = 0; y < v.h; y++)
    for (let x = 0; x < v.w; x++) for (let k = 0; k < v.c; k++) yield v.ptr / 4 + y * v.row + x * v.pix + k;
}
