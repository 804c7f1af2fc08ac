/** What the job of the engines reads, from the repository's root. */
export const photo = 'photos/leonberger_abyssinian.jpg';

/** A file of each container; networks that take a picture of any size are given 64 x 64 pixels. */
export const weightFiles = [
  'test/fixtures/references/formats/micro-vgg16.keras',
  'test/fixtures/references/small/micro-vgg16.keras-official.h5',
  'test/fixtures/references/formats/micro-vgg16.onnx',
  'test/fixtures/references/formats/micro-vgg16.torchvision.pth',
  'test/fixtures/references/formats/micro-vgg16.torchvision-legacy.pth',
  'test/fixtures/references/small/micro-vgg16.torchvision.safetensors',
  'test/fixtures/onnx/mobile-dynamo.onnx',
];
