import { leastTime } from './roofline.js';

/**
 * The part of bench/RESULTS.md on networks of other families, made from results/families.json, every-pixel.jsonl and resnet50.jsonl.
 *
 * @param {{ machine: any, threads: number, rates: any, rows: any[] }[]} families runs of families.js
 * @param {{ pixels: any[], ends: any[] }} lines of gradcam.js and peers/grad_cam.py: maps at every pixel, and Grad-CAM end to end
 * @param {{ table: (head: string[], rows: any[][]) => string, seconds: (ms: number) => string }} format
 */
export function familiesReport(families, { pixels, ends }, { table, seconds }) {
  const parts = families.flatMap((run) => [compared(run, table, seconds), bounded(run, table)]);
  if (pixels.length > 0) parts.push(everyPixel(pixels, families[0]?.rows ?? [], table, seconds));
  if (ends.length > 0) parts.push(endToEnd(ends, table, seconds));
  return parts.join('');
}

const PEERS = ['onnxruntime-node', 'onnxruntime-web', 'tfjs-wasm'];

/** The shares of another runtime's time that are aimed at. */
const aimOf = (peer, network) =>
  peer === 'onnxruntime-node' ? (network === 'vgg16' ? 1.4 : 1.3) : network === 'vgg16' ? 0.2 : 0.25;

const spread = (peer) => (peer ? `${peer.ratio.toFixed(2)} (${peer.least.toFixed(2)} to ${peer.most.toFixed(2)})` : '');

const megabytes = (bytes) => `${(bytes / 1e6).toFixed(0)} MB`;

const middle = (times) => [...times].sort((a, b) => a - b)[times.length >> 1];

function compared({ machine, threads, rows }, table, seconds) {
  const strides = [
    ...new Set(rows.flatMap(({ times }) => Object.keys(times).filter((key) => key.startsWith('atrous')))),
  ];
  const peers = PEERS.filter((peer) => rows.some(({ ratios }) => ratios[peer]));
  const apart = Math.max(...rows.flatMap((row) => Object.values(row.apart)));
  return `## Networks of other families (\`node bench/families.js\`)

Networks with random weights (\`bench/peers/networks.py\`), relaxed SIMD, ${threads} threads. Ratios are of a pooled forward
pass's time to the other runtime's, medians of alternating runs, below 1 is faster than the other; in brackets the smallest and
largest ratio of single rounds. TensorFlow.js computes the graph that this package reads from the file, with the same weights, batch
normalization folded and activations fused. Logits are at most ${apart.toExponential(0)} of the largest apart. ${machine.date}, ${machine.processor},
Node ${machine.node}.

${table(
  ['network', 'GFLOP', 'pooled', 'GFLOP/s', ...peers.map((peer) => `to ${peer}`), 'Grad-CAM', ...strides, 'maps'],
  rows.map(({ name, macs, times, ratios, peakBytes }) => [
    name,
    ((2 * macs) / 1e9).toFixed(2),
    seconds(times.predict),
    ((2e-6 * macs) / times.predict).toFixed(0),
    ...peers.map((peer) => spread(ratios[peer])),
    seconds(times.gradcam),
    ...strides.map((key) => (times[key] ? seconds(times[key]) : '')),
    megabytes(peakBytes),
  ]),
)}

`;
}

/** How far the machine's vectors are from what is aimed at. */
function bounded({ threads, rates, rows }, table) {
  if (!rates) return '';
  const { arithmetic, tile, memory } = rates;
  const peers = ['onnxruntime-node', 'onnxruntime-web'].filter((peer) => rows.some(({ times }) => times[peer]));
  const least = ({ work }) => leastTime(work, arithmetic, memory);
  const byTile = ({ work }) => leastTime(work, tile, memory);
  const share = (row, peer) => {
    if (!row.times[peer]) return '';
    const [bound, loop, aim] = [least(row) / row.times[peer], byTile(row) / row.times[peer], aimOf(peer, row.name)];
    const reach = bound > aim ? 'out of reach' : loop > aim ? 'beyond the loop' : 'possible';
    return `${bound.toFixed(2)} (${loop.toFixed(2)}), ${aim}: ${reach}`;
  };
  return `## What 128-bit vectors allow at the least (\`node bench/roofline.js\`, part of \`bench/families.js\`)

${threads} threads together do ${arithmetic.toFixed(0)} GFLOP/s of fused multiply-adds on registers alone, and ${tile.toFixed(0)} in the loop of the convolutions
(\`multiplyTile\`) with its operands in the L1 cache; memory is read at ${memory.toFixed(0)} GB/s. 'At least' is a pooled pass's products at the
former rate: those of direct and depthwise convolutions, of Winograd's F(4x4,3x3), and dense layers, or the reading of their weights where
no cache holds them; in brackets at the loop's rate. Transforms, activations, sums, pools and copies are not in it. To the right
the same as shares of the other runtimes' times, and the share that is aimed at: out of reach where not even registers alone allow
it, beyond the loop where this loop does not.

${table(
  [
    'network',
    'GFLOP direct',
    'Winograd',
    'depthwise',
    'dense',
    'at least',
    'pooled',
    'at least / pooled',
    ...peers.map((peer) => `at least to ${peer}`),
  ],
  rows.map((row) => [
    row.name,
    ...['direct', 'winograd', 'depthwise', 'dense'].map((part) => ((2 * row.work[part]) / 1e9).toFixed(2)),
    `${least(row).toFixed(1)} (${byTile(row).toFixed(1)}) ms`,
    `${row.times.predict.toFixed(1)} ms`,
    `${((100 * least(row)) / row.times.predict).toFixed(0)}%`,
    ...peers.map((peer) => share(row, peer)),
  ]),
)}

`;
}

/** Maps at every pixel, a process each, beside PyTorch's. */
function everyPixel(lines, rows, table, seconds) {
  const find = (network, mode) => lines.find((line) => line.network === network && line.mode === mode);
  const networks = [...new Set(lines.map(({ network }) => network))].filter(
    (name) => find(name, 'atrous') && find(name, 'every pixel'),
  );
  const apart = Math.max(...lines.filter((line) => line.apart < 2e-5).map((line) => line.apart));
  const rough = lines.filter((line) => line.apart >= 2e-5).map(({ network }) => network);
  return `## Maps at every pixel beside PyTorch (\`node bench/gradcam.js\`, \`bench/peers/grad_cam.py --full\`; a process each)

\`atrous\` with output stride 1 is a whole call, head, gradient and finished map included; PyTorch computes the same points with strides
replaced by dilation, up to the layer and with the weighted sum, without a gradient. Its points are ${apart.toExponential(0)} of the largest
or less from those of the undilated network${rough.length ? `; not so in ${rough.join(' and ')}, where squeeze-and-excite means the whole map` : ''}.

${table(
  [
    'network',
    'output stride 4',
    'output stride 1',
    'PyTorch',
    'time to PyTorch',
    'resident',
    'PyTorch',
    'memory to PyTorch',
  ],
  networks.map((network) => {
    const [own, other] = [find(network, 'atrous'), find(network, 'every pixel')];
    const [time, otherTime] = [own, other].map(({ milliseconds }) => middle(milliseconds));
    const four = rows.find(({ name }) => name === network)?.times['atrous 4'];
    return [
      network,
      four ? seconds(four) : '',
      seconds(time),
      seconds(otherTime),
      (time / otherTime).toFixed(2),
      megabytes(own.residentBytes),
      megabytes(other.residentBytes),
      (own.residentBytes / other.residentBytes).toFixed(2),
    ];
  }),
)}

`;
}

function endToEnd(ends, table, seconds) {
  return `## Grad-CAM of ResNet-50 end to end (\`node bench/gradcam.js\`, \`bench/peers/grad_cam.py\`; a process each)

${table(
  ['', 'points', 'median', 'resident at most'],
  ends.map(({ name, mode, milliseconds, residentBytes }) => [
    name,
    mode ?? '',
    seconds(middle(milliseconds)),
    megabytes(residentBytes),
  ]),
)}

`;
}
