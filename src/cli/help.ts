/** Parts of the help texts that several sub-commands have. */
export const MODES_HELP = `
Modes:
  pooled   the ordinary network; its map is coarse (14 x 14 for VGG16)
  dilated  pools removed, convolutions dilated instead: a full map, but other predictions
  atrous   every pixel's own map of the ordinary network: a full map, the same predictions
  all      the three of them`;

export const AUTO_HELP = `
  auto     what docs/study.md recommends: pooled with --zoom 1,2 for networks of stride 32 that take any size
           (ResNet, MobileNet, EfficientNet ...), pooled with any --zoom, else atrous`;

export const METHODS_HELP = `
Methods:
  from activations and gradient of layers   gradcam gradcam++ xgradcam layercam hirescam elementwise
                                            eigengradcam segeigencam refinecam finercam shapleycam
  from activations alone                    eigencam kpcacam fem randomcam (a baseline)
  from many forward passes                  scorecam ablationcam occlusion
  from the gradient at the input            saliency smoothgrad integrated-gradients guided-backprop
                                            guided-gradcam fullgrad`;

export const PLACEMENT_HELP = `
Placement (--align): a point of the map is drawn
  centres    at the centre of the window that it sees
  evidence   where the evidence in its window lies, measured once a network and layer
  cells      as if cells tiled the picture, as other libraries draw maps`;

export const GRID_HELP = `
Grid (--smoothing): a map's lattice, of 16 pixels at block 5, 8 at block 4 ..., is averaged away by
  box        the mean over one period
  phases     the means over one period, half of it, a quarter ... down to 2 pixels, one after the other
  gaussian   a Gaussian as wide at half its height as one period
  shift      the mean of the maps of shifted pictures, one a pixel of the period (mode dilated only)`;

export const EXIT_HELP = `
Exit codes:
  0 done   1 something failed (the other pictures are still done)   2 wrong usage`;
