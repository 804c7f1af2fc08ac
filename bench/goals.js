import { load } from '../dist/index.js';
import { alternate, machine, median, ratio } from './alternate.js';

const SIDE = 224;

/**
 * The engine against other runtimes and against itself, on full-size VGG16: every row is a ratio of medians of one alternating run.
 *
 * @param {{ weights: string, peers?: string[], rounds?: number, threads?: number, peersOnly?: boolean }} options weights: made by
 * scripts/makers/vgg16.js; peers: names of bench/peers/run.js (each slow one multiplies the time)
 * @returns rows { what, ratio, least, most, a, b } with medians a and b in milliseconds
 */
export async function benchGoals({
  weights,
  peers = ['onnxruntime-node'],
  rounds = 5,
  threads = 2,
  peersOnly = false,
}) {
  const image = waves();
  const rows = [];
  const add = (what, times, a, b) => {
    const row = { what, ...ratio(times.get(a), times.get(b)), a: median(times.get(a)), b: median(times.get(b)) };
    rows.push(row);
    console.log(format(row));
  };
  const report = (line) => process.stderr.write(`  ${line}\n`);
  const sets = ['relaxed', 'simd'];
  const nets = {};
  for (const kernels of sets) nets[kernels] = await load(weights, { kernels, threads });

  for (const mode of ['dilated', 'pooled']) {
    const others = await openPeers(peers, weights, mode, threads, image);
    const own = sets.map((kernels) => forward(nets[kernels], kernels, mode, image));
    const times = await alternate([...own, ...others], mode === 'pooled' ? 4 * rounds : rounds, report);
    for (const peer of others) {
      const apart = peer.difference(own[0].output());
      for (const kernels of sets)
        add(`${mode} VGG16 forward, ${kernels}, against ${peer.name}`, times, kernels, peer.name);
      console.log(`  outputs differ by ${apart.toExponential(1)} of the largest`);
    }
    for (const peer of others) await peer.dispose();
  }

  nets.simd.dispose();
  const result = { machine: machine(), threads, rows };
  if (peersOnly) {
    nets.relaxed.dispose();
    return result;
  }
  const net = nets.relaxed;
  const explain = (name, options) => ({ name, run: () => net.explain(image, { target: 0, ...options }) });
  const whole = await alternate(
    [forward(net, 'dilated forward', 'dilated', image), explain('atrous', { mode: 'atrous' })],
    rounds,
    report,
  );
  add('atrous Grad-CAM, everything included, against dilated forward', whole, 'atrous', 'dilated forward');

  const first = await alternate(
    [explain('pooled', { mode: 'pooled' }), { name: 'first map', run: () => firstMap(net, image) }],
    4 * rounds,
    report,
  );
  add('first atrous map against pooled Grad-CAM', first, 'first map', 'pooled');

  const single = await load(weights, { kernels: 'relaxed', threads: 1 });
  for (const mode of ['dilated', 'pooled']) {
    const contestants = [forward(single, 'one', mode, image), forward(net, 'more', mode, image)];
    const times = await alternate(contestants, mode === 'pooled' ? 4 * rounds : rounds, report);
    add(`${mode} forward, 1 thread against ${threads}`, times, 'one', 'more');
  }
  const peaks = {};
  for (const mode of ['pooled', 'dilated', 'atrous'])
    peaks[mode] = (await net.explain(image, { mode, target: 0 })).peakBytes;
  single.dispose();
  net.dispose();
  return { ...result, peaks };
}

/** The convolution stack of one of our networks; the output is copied out of the wasm memory, as the peers do. */
function forward(net, name, mode, image) {
  let last;
  const layer = net.layers.at(-1);
  return {
    name,
    run: async () => {
      last = (await net.activations(image, { mode, layers: [layer], preprocessing: { resize: 'nearest' } }))[layer];
    },
    output: () => last.data,
  };
}

/** Milliseconds matter only to the first map: the run is stopped as soon as it is there. */
async function firstMap(net, image) {
  const controller = new AbortController();
  const onProgress = (progress) => {
    if (progress.map) controller.abort();
  };
  await net.explain(image, { mode: 'atrous', target: 0, signal: controller.signal, onProgress }).catch((error) => {
    if (error.code !== 'ABORTED') throw error;
  });
}

async function openPeers(names, weights, mode, threads, image) {
  if (names.length === 0) return [];
  const { makePeer, difference } = await import('./peers/run.js');
  const input = caffe(image);
  const peers = [];
  for (const name of names) {
    const peer = await makePeer(name, weights, mode, threads);
    peers.push({
      name,
      run: () => peer.run(input),
      difference: (own) => difference(peer.output(), own),
      dispose: () => peer.dispose(),
    });
  }
  return peers;
}

/** A smooth picture, the same in every run. */
export function waves() {
  const value = (y, x, c) => 128 + 63 * (Math.sin(x / (7 + c)) + Math.cos((y * (c + 1)) / 11));
  const data = Uint8Array.from({ length: SIDE * SIDE * 3 }, (_, i) => {
    const pixel = Math.floor(i / 3);
    return Math.round(value(Math.floor(pixel / SIDE), pixel % SIDE, i % 3));
  });
  return { width: SIDE, height: SIDE, data };
}

/** keras.applications' 'caffe' preprocessing: BGR, mean subtracted. */
const caffe = ({ data }) =>
  Float32Array.from(data, (_, i) => {
    const channel = 2 - (i % 3);
    return data[i - (i % 3) + channel] - [123.68, 116.779, 103.939][channel];
  });

/** @param {{ what: string, ratio: number, least: number, most: number, a: number, b: number }} row */
export const format = ({ what, ratio, least, most, a, b }) =>
  `${what}: ${ratio.toFixed(2)} (${least.toFixed(2)} to ${most.toFixed(2)}; ${a.toFixed(0)} ms, ${b.toFixed(0)} ms)`;
