import type { Preprocessing } from '../base/types.js';

/** Published weights that the package knows by name. It holds none of them. */
export interface ManifestEntry {
  /** What `load(name)` and `--weights NAME` take. */
  readonly name: string;
  /** One line for people. */
  readonly title: string;
  /** The file's name in the cache folder. */
  readonly file: string;
  /** Where it is published, the first that answers is taken. */
  readonly urls: readonly string[];
  /** Where the publisher states it. */
  readonly bytes?: number;
  /** In hexadecimal: all 64 digits, or the first ones where no more is published. */
  readonly sha256?: string;
  /** In hexadecimal, where no SHA-256 is published. It finds damage, not malice. */
  readonly md5?: string;
  /** What its publisher says of the weights; that of the code is another matter. */
  readonly licence: string;
  /** The page that states the licence. */
  readonly source?: string;
  readonly preprocessing: Preprocessing;
}

const caffe: Preprocessing = { normalization: 'caffe', resize: 'nearest', fit: 'squash' };
const torch: Preprocessing = { normalization: 'torch', resize: 'bilinear', fit: 'crop' };

/** Licences and where they are stated, read in November 2026. */
const oxford = {
  licence: 'Creative Commons Attribution (Visual Geometry Group, University of Oxford; converted by Keras)',
  source: 'https://www.robots.ox.ac.uk/~vgg/research/very_deep/',
};
const torchvision = {
  licence:
    'none stated for the weights (torchvision, whose code is BSD 3-Clause); terms of the training data, ImageNet, may apply',
  source: 'https://github.com/pytorch/vision#pre-trained-model-license',
};
const timmHub = (network: string) => ({
  licence: "BSD 3-Clause (timm's model card, for torchvision's weights); trained on ImageNet",
  source: `https://huggingface.co/timm/${network}.tv_in1k`,
});
const onnxZoo = {
  licence: 'Apache 2.0 (ONNX Model Zoo; converted from MXNet); trained on ImageNet',
  source:
    'https://github.com/onnx/models/blob/08eaea729977ccbe44545fd1ea8b13c6b1079f29/vision/classification/vgg/README.md',
};

function keras(name: string, path: string, md5: string, bytes?: number): ManifestEntry {
  const [network, file] = path.split('/');
  const title = `${network.toUpperCase()}, Keras${name.endsWith('notop') ? ', without dense layers' : ''}`;
  return {
    name,
    title,
    file,
    urls: [
      `https://storage.googleapis.com/tensorflow/keras-applications/${path}`,
      `https://github.com/fchollet/deep-learning-models/releases/download/v0.1/${file}`,
    ],
    bytes,
    md5,
    ...oxford,
    preprocessing: caffe,
  };
}

/** What people call a network of torchvision. */
const titleOf = (network: string): string =>
  network
    .replace(/^(vgg|resnet|mobilenet_v|squeezenet|densenet)/, (family) => FAMILIES[family])
    .replace('_bn', ' with batch normalization')
    .replaceAll(/(?<=\d)_(?=\d)/g, '.')
    .replaceAll('_', ' ');

const FAMILIES: Record<string, string> = {
  vgg: 'VGG',
  resnet: 'ResNet-',
  mobilenet_v: 'MobileNetV',
  squeezenet: 'SqueezeNet ',
  densenet: 'DenseNet-',
};

function pth(name: string, network: string, sha256: string, bytes?: number): ManifestEntry {
  const file = `${network}-${sha256.slice(0, 8)}.pth`;
  return {
    name,
    title: `${titleOf(network)}, torchvision`,
    file,
    urls: [`https://download.pytorch.org/models/${file}`],
    bytes,
    sha256,
    ...torchvision,
    preprocessing: torch,
  };
}

function timm(name: string, network: string, sha256: string, revision = 'main'): ManifestEntry {
  return {
    name,
    title: `${network.replace('vgg', 'VGG').replace('_bn', ' with batch normalization')}, timm (torchvision's weights as safetensors)`,
    file: `${network}.tv_in1k.safetensors`,
    urls: [`https://huggingface.co/timm/${network}.tv_in1k/resolve/${revision}/model.safetensors`],
    sha256,
    ...timmHub(network),
    preprocessing: torch,
  };
}

function onnx(name: string, file: string, sha256: string, bytes: number): ManifestEntry {
  const network = file.slice(0, 5).replace('vgg', 'VGG');
  return {
    name,
    title: `${network}${file.includes('-bn') ? ' with batch normalization' : ''}, ONNX Model Zoo`,
    file,
    urls: [
      `https://huggingface.co/onnxmodelzoo/legacy_models/resolve/main/validated/vision/classification/vgg/model/${file}`,
    ],
    bytes,
    sha256,
    ...onnxZoo,
    preprocessing: torch,
  };
}

/** Everything known by name. `vgg16` is the network of most articles: Keras' file, converted from the original Caffe model. */
export const manifest: readonly ManifestEntry[] = [
  keras('vgg16', 'vgg16/vgg16_weights_tf_dim_ordering_tf_kernels.h5', '64373286793e3c8b2b4e3219cbf3544b', 553_467_096),
  keras(
    'vgg16-notop',
    'vgg16/vgg16_weights_tf_dim_ordering_tf_kernels_notop.h5',
    '6d6bbae143d832006294945121d1f1fc',
    58_889_256,
  ),
  keras('vgg19', 'vgg19/vgg19_weights_tf_dim_ordering_tf_kernels.h5', 'cbe5617147190e668d6c5d5026f83318', 574_710_816),
  keras('vgg19-notop', 'vgg19/vgg19_weights_tf_dim_ordering_tf_kernels_notop.h5', '253f8cb515780f3b799900260a226db6'),
  pth('vgg16-torchvision', 'vgg16', '397923af8e79cdbb6a7127f12361acd7a2f83e06b05044ddf496e83de57a5bf0', 553_433_881),
  pth('vgg16-bn-torchvision', 'vgg16_bn', '6c64b313'),
  pth('vgg19-torchvision', 'vgg19', 'dcbb9e9d'),
  pth('vgg19-bn-torchvision', 'vgg19_bn', 'c79401a0'),
  // URL and first digits of the SHA-256 as torchvision 0.29.2 has them; it states no sizes.
  pth('resnet18', 'resnet18', 'f37072fd'),
  pth('resnet34', 'resnet34', 'b627a593'),
  pth('resnet50', 'resnet50', '0676ba61'),
  pth('resnet101', 'resnet101', '63fe2227'),
  pth('mobilenet-v2', 'mobilenet_v2', 'b0353104'),
  pth('mobilenet-v3-small', 'mobilenet_v3_small', '047dcff4'),
  pth('mobilenet-v3-large', 'mobilenet_v3_large', '8738ca79'),
  pth('squeezenet1-1', 'squeezenet1_1', 'b8a52dc0'),
  pth('densenet121', 'densenet121', 'a639ec97'),
  timm(
    'vgg16-timm',
    'vgg16',
    '57b026918159a6bf9faf8405c3a551903768e7138989d9c6224a14227203fad8',
    '3394518cba29aee1ea82a49d971be90d2dd1dab7',
  ),
  timm('vgg16-bn-timm', 'vgg16_bn', '88bbedbc8e780413736db38ac4efd41b06fc0e93fd5b8879b584bba63a950129'),
  onnx('vgg16-onnx', 'vgg16-12.onnx', '722c42f53ca03a5480296bf8f9c85a151de3eed9ec982d7d2302ff6e2900c67b', 553_437_752),
  onnx(
    'vgg16-bn-onnx',
    'vgg16-bn-7.onnx',
    '4fdceabf1ef715c9ed3020fa2eac1cb2a448296c086b03633c80cf47e1c5afce',
    553_512_191,
  ),
  onnx('vgg19-onnx', 'vgg19-7.onnx', '692f9f927f1df1b89033787a77a73eac59fd9b3344f9ecdf0b13221e41c2046f', 574_677_321),
  onnx(
    'vgg19-bn-onnx',
    'vgg19-bn-7.onnx',
    'ce0987dfa6228ad29708013f38b7f73cbc14ca6066a05fc22ee49b35871c63ed',
    574_774_380,
  ),
];

/** The entry of that name. */
export const manifestEntry = (name: string): ManifestEntry | undefined => manifest.find((entry) => entry.name === name);
