import Benchmark from 'benchmark';
import { load } from '../dist/index.js';
import { machine, median } from './alternate.js';
import { noise } from './noise.js';

/**
 * Grad-CAM of one network in every mode and output stride, end to end from decoded pixels to the finished map, with
 * benchmark.js: median time with its spread, GFLOP/s (two per multiply-accumulate of a direct convolution, so that Winograd's
 * figures are effective ones), memory, and in `atrous` the time to the first, 14x14, map.
 *
 * @param {{ weights?: string, threads?: number, kernels?: 'auto' | 'simd' | 'relaxed', seconds?: number }} options
 */
export async function benchNetworks({ weights, threads, kernels, seconds = 3 } = {}) {
  const net = await load(weights, { threads, kernels });
  const size = net.inputSize;
  const image = { width: size, height: size, data: noise(3 * size * size) };
  const runs = [
    { mode: 'pooled' },
    { mode: 'dilated' },
    ...[16, 8, 4, 2, 1].map((outputStride) => ({ mode: 'atrous', outputStride })),
  ];
  console.log(
    `${net.source}, ${size} x ${size}, ${net.kernels} kernels, ${net.threads} thread(s), Node ${process.version}`,
  );
  console.log('mode     stride   median ms   spread   GFLOP/s   maps MB   first map ms');
  const rows = [];
  for (const options of runs) {
    const result = await measure(net, image, { ...options, target: 0 }, seconds);
    const { mode, outputStride } = options;
    const { macs } = net.plan(mode, { outputStride });
    const cells = [
      options.mode.padEnd(8),
      String(options.outputStride ?? '').padStart(6),
      result.median.toFixed(1).padStart(12),
      `±${result.spread.toFixed(0)}%`.padStart(9),
      ((2e-6 * macs) / result.median).toFixed(1).padStart(10),
      (result.peakBytes / 1e6).toFixed(1).padStart(10),
      (result.firstMap?.toFixed(1) ?? '').padStart(15),
    ];
    rows.push({ ...options, ...result, macs });
    console.log(cells.join(''));
  }
  net.dispose();
  return {
    machine: machine(),
    source: weights ?? 'default',
    inputSize: size,
    kernels: net.kernels,
    threads: net.threads,
    rows,
  };
}

/** Times `explain` with benchmark.js; milliseconds. */
function measure(net, image, options, maxTime) {
  let peakBytes = 0;
  const firstMaps = [];
  return new Promise((resolve, reject) => {
    const bench = new Benchmark({
      defer: true,
      maxTime,
      minSamples: 3,
      async fn(deferred) {
        try {
          const start = performance.now();
          let first;
          const onProgress = (p) => {
            if (p.map) first ??= performance.now() - start;
          };
          const result = await net.explain(image, options.mode === 'atrous' ? { ...options, onProgress } : options);
          peakBytes = result.peakBytes;
          if (first !== undefined) firstMaps.push(first);
          deferred.resolve();
        } catch (error) {
          reject(error);
        }
      },
      onError: (event) => reject(event.target.error),
      onComplete() {
        const times = bench.stats.sample.map((seconds) => 1000 * seconds);
        const spread = (50 * (Math.max(...times) - Math.min(...times))) / median(times);
        const firstMap = firstMaps.length ? median(firstMaps) : undefined;
        resolve({ median: median(times), spread, peakBytes, firstMap });
      },
    });
    bench.run({ async: true });
  });
}
