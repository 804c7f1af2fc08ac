// One line a file; every kernel has the signature (args, task, scratch), see src/wasm/job.ts.
export { activation, activationBackward } from './activation';
export { drawPictures } from './augment';
export {
  batchGradient,
  batchGradientFinish,
  batchGradientSums,
  batchMoments,
  batchNormalizer,
  batchRelu,
} from './batch-norm';
export { batchPool, batchPoolBackward } from './batch-pool';
export { channelSum } from './cam';
export { takeChannels, takeChannelsBackward } from './channels';
export { conv } from './conv';
export { biasGradient, convWeightGradient } from './conv-gradient';
export { adjointConv, packConv, unpackConv } from './conv-pack';
export { dense, denseInputGradient } from './dense';
export { depthwise, depthwiseInputGradient } from './depthwise';
export { depthwiseWeightGradient } from './depthwise-gradient';
export { expandFloat16 } from './float16';
export { gemm } from './gemm';
export { globalPool, globalPoolBackward } from './global-pool';
export { layerNorm, layerNormBackward } from './layer-norm';
export { addMaps, affine, copyMap, multiplyMaps } from './map';
export { adamStep, dropout, sgdStep } from './optimizer';
export { pool } from './pool';
export { poolBackward } from './pool-gradient';
export { reluBackward } from './relu';
export { softmax, softmaxBackward, softmaxCrossEntropy, softmaxCrossEntropyBackward } from './softmax';
export { spreadSum } from './spread-sum';
export { multiplyTile } from './tile'; // not a kernel, see there
export { winogradWiden } from './wide-weights';
export { winogradGemm, winogradInput, winogradOutput, winogradTiles } from './winograd';
export { adjointWinograd } from './winograd-adjoint';
export {
  winogradGradientData,
  winogradGradientGemm,
  winogradGradientOutput,
  winogradGradientWeights,
} from './winograd-gradient';
export { winogradWeights } from './winograd-weights';
