// One line a file; every kernel has the signature (args, task, scratch), see src/wasm/job.ts.
export { channelSum } from './cam';
export { conv3x3, packConv } from './conv';
export { dense, denseInputGradient, reluBackward } from './dense';
export { expandFloat16 } from './float16';
export { gemm } from './gemm';
export { maxPool, maxPoolBackward } from './pool';
export { softmax, softmaxBackward } from './softmax';
export { multiplyTile } from './tile'; // not a kernel, see there
export { winogradGemm, winogradInput, winogradOutput } from './winograd';
export { winogradWeights } from './winograd-weights';
