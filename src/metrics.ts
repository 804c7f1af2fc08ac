/**
 * How good an explanation is: whether it names what the network rests on (faithfulness), whether it lies on the object (localisation), and
 * whether it depends on what the network has learned. Everything works on maps at the input's size, such as `explain` gives; a network is
 * passed in where one is needed. docs/metrics.md has the definitions.
 *
 * @module
 */
export { AtrousCamError, type ErrorCode } from './base/errors.js';
export { type BoxAccuracy, type BoxCurve, boxAccuracy, boxCurve, type Pieced } from './metrics/boxes.js';
export { type Curve, type CurveOptions, deletion, insertion } from './metrics/curves.js';
export { averageDrop, type Drop } from './metrics/drop.js';
export {
  type BaselineName,
  baselineNames,
  type EvaluateExplanationsOptions,
  type EvaluationMetric,
  type EvaluationSummary,
  type Explainer,
  evaluateExplanations,
  evaluationMetrics,
  type MapMeasures,
  type MapSource,
  type PictureEvaluation,
  summarizeEvaluations,
} from './metrics/evaluate-maps.js';
export { type GridLevels, type GridMap, type GridOptions, gridLevels, gridNumber } from './metrics/grid.js';
export {
  type BootstrapOptions,
  bootstrap,
  bootstrapOf,
  type Interval,
  pairedDifference,
} from './metrics/intervals.js';
export { averagePrecision, bestMaskIou, energyInMask, pointingGame } from './metrics/localisation.js';
export type { GreyMap } from './metrics/map.js';
export {
  type IndexOptions,
  type MaskedPicture,
  type PictureGround,
  readGround,
  readMaskedPictures,
} from './metrics/masked-pictures.js';
export {
  compare,
  type Ground,
  type MeasureOptions,
  type Measures,
  type MetricName,
  measureMap,
  metricNames,
  summarize,
} from './metrics/measure.js';
export { composeMosaic, gridPointing, type Mosaic } from './metrics/mosaic.js';
export type { Watch } from './metrics/passes.js';
export { pictureGrid } from './metrics/picture-grid.js';
export { openProbe, type Predictor, type Probe, type ProbeOptions } from './metrics/probe.js';
export { choosePictures } from './metrics/random-choice.js';
export {
  type Loaded,
  layersFromHead,
  type RandomizationOptions,
  type RandomizationStep,
  randomizationCheck,
  randomizeWeights,
} from './metrics/randomize.js';
export {
  boxIou,
  boxMask,
  gaussianMap,
  inputBox,
  inputMask,
  type Mask,
  maskBox,
  maskIou,
  uniformMap,
} from './metrics/regions.js';
export { type Road, type RoadOptions, road } from './metrics/road.js';
export { rankCorrelation, ssim } from './metrics/similarity.js';
