import type { MethodName } from '../src/methods/facts.js';

/** The library's methods in words for a visitor, in the order of the list. */
export const METHODS: Readonly<Record<MethodName, { title: string; about: string }>> = {
  gradcam: {
    title: 'Grad-CAM',
    about: 'Weighs each channel by how much the class depends on it. In atrous the map refines while it is computed.',
  },
  'gradcam++': {
    title: 'Grad-CAM++',
    about: 'Weighs the points that speak for the class, so that small parts count too.',
  },
  xgradcam: { title: 'XGrad-CAM', about: 'Weighs each channel by gradient times activation.' },
  layercam: { title: 'LayerCAM', about: 'Weighs every point by its own positive gradient; good at earlier layers.' },
  hirescam: { title: 'HiResCAM', about: 'Gradient times activation, point by point.' },
  elementwise: { title: 'Element-wise', about: 'Gradient times activation, only what is positive.' },
  eigencam: { title: 'EigenCAM', about: 'What the activations have most in common, whatever the class.' },
  eigengradcam: { title: 'EigenGradCAM', about: 'What gradient times activation has most in common.' },
  refinecam: { title: 'RefineCAM', about: 'The product of the maps of three blocks: fine and specific.' },
  finercam: { title: 'Finer-CAM', about: 'What the class has more than the three that are most like it.' },
  shapleycam: { title: 'ShapleyCAM', about: 'Grad-CAM with a second term, for networks that bend smoothly.' },
  segeigencam: { title: 'Seg-Eigen-CAM', about: 'As EigenGradCAM, whatever the gradient’s sign.' },
  kpcacam: { title: 'KPCA-CAM', about: 'As EigenCAM, along a curve. Whatever the class.' },
  fem: { title: 'FEM', about: 'Where channels are unusually strong, whatever the class.' },
  randomcam: { title: 'Random weights', about: 'A baseline: what the channels look like without any class.' },
  fullgrad: { title: 'FullGrad', about: 'Gradients of the picture and of all biases together.' },
  'guided-gradcam': { title: 'Guided Grad-CAM', about: 'Guided backpropagation where Grad-CAM finds evidence.' },
  'guided-backprop': {
    title: 'Guided backpropagation',
    about: 'Gradients of the pixels, positive ones only on the way.',
  },
  saliency: { title: 'Saliency', about: 'How much the class changes with each pixel.' },
  smoothgrad: { title: 'SmoothGrad', about: 'Saliency, averaged over 25 noisy copies. Slow.' },
  'integrated-gradients': {
    title: 'Integrated gradients',
    about: 'Gradients summed on the way from the mean colour to the picture. Slow.',
  },
  scorecam: { title: 'Score-CAM', about: 'The score when only a channel’s part of the picture is left. Very slow.' },
  ablationcam: { title: 'Ablation-CAM', about: 'How much the score falls without each channel. Slow.' },
  occlusion: { title: 'Occlusion', about: 'How much the score falls when a part is covered. Slow.' },
};
