import type { MethodName } from '../../src/api.js';

/** The package's names of pytorch-grad-cam's classes, which the references' keys carry. */
export const pytorchMethods: Record<string, MethodName> = {
  GradCAM: 'gradcam',
  GradCAMPlusPlus: 'gradcam++',
  XGradCAM: 'xgradcam',
  LayerCAM: 'layercam',
  HiResCAM: 'hirescam',
  GradCAMElementWise: 'elementwise',
  EigenCAM: 'eigencam',
  EigenGradCAM: 'eigengradcam',
  ScoreCAM: 'scorecam',
  AblationCAM: 'ablationcam',
  SegEigenCAM: 'segeigencam',
  KPCA_CAM: 'kpcacam',
  FEM: 'fem',
  ShapleyCAM: 'shapleycam',
  FinerCAM: 'finercam',
  RandomCAM: 'randomcam',
};

/** max(raw, 0) from 0 to 1, as a full-size map is finished without a shift. */
export function normalized(raw: Float32Array): Float32Array {
  const positive = raw.map((value) => Math.max(0, value));
  const least = positive.reduce((a, b) => Math.min(a, b));
  const most = positive.reduce((a, b) => Math.max(a, b));
  return positive.map((value) => (value - least) / (1e-7 + most - least));
}
