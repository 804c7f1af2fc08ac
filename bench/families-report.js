/**
 * The part of bench/RESULTS.md on networks of other families, made from results/families.json and results/resnet50.jsonl.
 *
 * @param {{ machine: any, threads: number, rows: any[] }[]} families runs of families.js
 * @param {any[]} ends lines of gradcam.js and peers/grad_cam.py
 * @param {{ table: (head: string[], rows: any[][]) => string, seconds: (ms: number) => string }} format
 */
export function familiesReport(families, ends, { table, seconds }) {
  const parts = families.map((run) => compared(run, table, seconds));
  if (ends.length > 0) parts.push(endToEnd(ends, table, seconds));
  return parts.join('');
}

const spread = (peer) => (peer ? `${peer.ratio.toFixed(2)} (${peer.least.toFixed(2)} to ${peer.most.toFixed(2)})` : '');

function compared({ machine, threads, rows }, table, seconds) {
  const strides = [
    ...new Set(rows.flatMap(({ times }) => Object.keys(times).filter((key) => key.startsWith('atrous')))),
  ];
  return `## Networks of other families (\`node bench/families.js\`)

torchvision's networks with random weights (\`bench/peers/networks.py\`), relaxed SIMD, ${threads} threads. Ratios are of a pooled forward
pass's time to the other runtime's, medians of alternating runs, below 1 is faster than the other; in brackets the smallest and
largest ratio of single rounds. ${machine.date}, ${machine.processor}, Node ${machine.node}.

${table(
  [
    'network',
    'GFLOP',
    'pooled',
    'GFLOP/s',
    'to onnxruntime-node',
    'to onnxruntime-web',
    'Grad-CAM',
    ...strides,
    'maps',
  ],
  rows.map(({ name, macs, times, ratios, peakBytes }) => [
    name,
    ((2 * macs) / 1e9).toFixed(2),
    seconds(times.predict),
    ((2e-6 * macs) / times.predict).toFixed(0),
    spread(ratios['onnxruntime-node']),
    spread(ratios['onnxruntime-web']),
    seconds(times.gradcam),
    ...strides.map((key) => (times[key] ? seconds(times[key]) : '')),
    `${(peakBytes / 1e6).toFixed(0)} MB`,
  ]),
)}

`;
}

function endToEnd(ends, table, seconds) {
  const middle = (times) => [...times].sort((a, b) => a - b)[times.length >> 1];
  return `## Grad-CAM of ResNet-50 end to end (\`node bench/gradcam.js\`, \`bench/peers/grad_cam.py\`; a process each)

${table(
  ['', 'points', 'median', 'resident at most'],
  ends.map(({ name, mode, outputStride, milliseconds, residentBytes }) => [
    name,
    mode === 'atrous' ? `atrous, output stride ${outputStride}` : (mode ?? ''),
    seconds(middle(milliseconds)),
    `${(residentBytes / 1e6).toFixed(0)} MB`,
  ]),
)}

`;
}
