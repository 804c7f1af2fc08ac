import type { Fit, Normalization, Preprocessing, Rect, RgbImage } from '../base/types.js';
import { NORMALIZATIONS } from './normalization.js';
import { resizeWindow, type Window } from './resize.js';

/**
 * Makes the network's input of a picture: resize, crop, normalise.
 *
 * @param image the upright photograph
 * @param inputSize side of the network's square input, in pixels
 * @returns `input`: (inputSize, inputSize, 3) float32; `rect`: the part of the photograph that the network sees, in its
 *   pixels; `seen`: that part as the network sees it, (inputSize, inputSize) 8-bit RGB
 * @throws AtrousCamError BAD_ARGUMENT for a size that is no positive integer or an unknown filter
 */
export function preprocess(
  image: RgbImage,
  inputSize: number,
  preprocessing: Preprocessing,
): { input: Float32Array; rect: Rect; seen: RgbImage } {
  const { width, height, window } = placement(image, inputSize, preprocessing.fit);
  const seen = resizeWindow(image, width, height, preprocessing.resize, window);
  const perX = image.width / width;
  const perY = image.height / height;
  const rect = { x: window.x * perX, y: window.y * perY, width: window.width * perX, height: window.height * perY };
  return { input: normalize(seen, preprocessing.normalization), rect, seen };
}

/** The size that the photograph is resized to, and the square of it that the network sees. */
function placement(image: RgbImage, side: number, fit: Fit): { width: number; height: number; window: Window } {
  if (fit === 'squash') return { width: side, height: side, window: { x: 0, y: 0, width: side, height: side } };
  // torchvision's Resize(256) and CenterCrop(224): the longer side is rounded down, the margins half to even (Python's round).
  const short = Math.round((side * 8) / 7);
  const long = (length: number) => Math.floor((short * length) / Math.min(image.width, image.height));
  const width = image.width <= image.height ? short : long(image.width);
  const height = image.height <= image.width ? short : long(image.height);
  const window = { x: halfToEven(width - side), y: halfToEven(height - side), width: side, height: side };
  return { width, height, window };
}

/** `round(n / 2)` of a whole number, halves to the even neighbour. */
function halfToEven(n: number): number {
  const down = Math.floor(n / 2);
  return n % 2 === 0 || down % 2 === 0 ? down : down + 1;
}

/** Each step in float32, as Keras and torchvision take it. */
function normalize({ data }: RgbImage, normalization: Normalization): Float32Array {
  const { channels, unit, mean, deviation } = NORMALIZATIONS[normalization];
  const value = (byte: number, channel: number): number => {
    const centred = Math.fround(Math.fround(byte / unit) - Math.fround(mean[channel]));
    return centred / Math.fround(deviation[channel]);
  };
  const tables = channels.map((_, channel) => Float32Array.from({ length: 256 }, (_, byte) => value(byte, channel)));
  const input = new Float32Array(data.length);
  for (let i = 0; i < data.length; i += 3) {
    for (let channel = 0; channel < 3; channel++) input[i + channel] = tables[channel][data[i + channels[channel]]];
  }
  return input;
}
