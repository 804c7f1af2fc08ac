import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { mutate, repairPng } from './mutate.js';

/** @param {string} name */
const fixture = (name) => new Uint8Array(readFileSync(fileURLToPath(new URL(`../fixtures/${name}`, import.meta.url))));

/** Whole files by format; each is also what parts are taken from for the one before. */
export const weightFiles = {
  hdf5: ['references/small/micro-vgg16.keras-official.h5'],
  keras: ['references/formats/micro-vgg16.keras'],
  safetensors: ['references/small/micro-vgg16.torchvision.safetensors'],
  pth: ['references/formats/micro-vgg16.torchvision.pth'],
  checkpoint: ['torch/checkpoint.pth'],
  'legacy pth': ['references/formats/micro-vgg16.torchvision-legacy.pth'],
  onnx: ['references/formats/micro-vgg16.onnx'],
};

export const imageFiles = {
  png: ['palette.png', 'gray16.png', 'rgba.png', 'bilevel.png', 'gray.png', 'source.png'],
  jpeg: [
    'baseline-420.jpg',
    'baseline-444.jpg',
    'gray-restart.jpg',
    'cmyk.jpg',
    'ycck.jpg',
    'tiny-420.jpg',
    'orientation-6.jpg',
  ],
  'progressive jpeg': ['progressive.jpg', 'progressive-odd-restart.jpg'],
};

/**
 * A damaged file of a format, the same for the same seed.
 * @param {string} format
 * @param {readonly Uint8Array[]} files
 * @param {number} seed
 */
export function damaged(format, files, seed) {
  const file = mutate(files[seed % files.length], files[(seed + 1) % files.length], seed);
  return format === 'png' && seed % 4 > 0 ? repairPng(file) : file;
}

/** The bytes of each file of a format. @param {string} format @returns {Uint8Array[]} */
export function seeds(format) {
  if (Object.hasOwn(imageFiles, format))
    return imageFiles[/** @type {keyof typeof imageFiles} */ (format)].map((name) => fixture(`images/${name}`));
  return weightFiles[/** @type {keyof typeof weightFiles} */ (format)].map(fixture);
}
