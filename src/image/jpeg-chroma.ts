import type { RgbImage } from '../base/types.js';
import { clampByte } from './bytes.js';
import { type JpegComponent, maxSampling } from './jpeg-segments.js';

/**
 * Replaces the repeated samples of halved components by interpolated ones, in place: libjpeg's triangle filter ("fancy
 * upsampling": 3/4 of the nearer sample, 1/4 of the farther, along each halved axis), bit for bit. Other ratios stay repeated,
 * which is what libjpeg does with them.
 *
 * @param image interleaved components; pixel (x, y) holds sample (x / ratio, y / ratio), rounded down
 * @param components the three components with their sampling factors
 */
export function smoothChroma(image: RgbImage, components: readonly JpegComponent[]): void {
  const { maxH, maxV } = maxSampling(components);
  components.forEach(({ h, v }, channel) => {
    const ratioX = maxH / h;
    const ratioY = maxV / v;
    // libjpeg repeats rows and columns of one or two samples instead
    const wide = Math.ceil(image.width / ratioX) > 2;
    if (ratioX === 1 && ratioY === 2) smoothVertically(image, channel);
    else if (ratioX === 2 && ratioY === 1 && wide) smoothHorizontally(image, channel);
    else if (ratioX === 2 && ratioY === 2 && wide) smoothBoth(image, channel);
  });
}

/** The component's own samples, of which `image` holds copies. */
function samplesOf(image: RgbImage, channel: number, ratioX: number, ratioY: number) {
  const columns = Math.ceil(image.width / ratioX);
  const rows = Math.ceil(image.height / ratioY);
  const samples = new Uint8Array(columns * rows);
  for (let y = 0, to = 0; y < rows; y++) {
    const row = y * ratioY * image.width;
    for (let x = 0; x < columns; x++) samples[to++] = image.data[3 * (row + x * ratioX) + channel];
  }
  return { samples, columns, rows };
}

/** jdsample.c, h1v2_fancy_upsample. */
function smoothVertically(image: RgbImage, channel: number): void {
  const { samples, columns, rows } = samplesOf(image, channel, 1, 2);
  for (let y = 0; y < image.height; y++) {
    const [near, far] = nearAndFar(y, rows);
    const rounding = y & 1 ? 2 : 1;
    for (let x = 0; x < image.width; x++) {
      const sum = 3 * samples[near * columns + x] + samples[far * columns + x];
      image.data[3 * (y * image.width + x) + channel] = (sum + rounding) >> 2;
    }
  }
}

/** jdsample.c, h2v1_fancy_upsample. The first and last pixel repeat their sample. */
function smoothHorizontally(image: RgbImage, channel: number): void {
  const { samples, columns } = samplesOf(image, channel, 2, 1);
  for (let y = 0; y < image.height; y++) {
    const row = y * columns;
    for (let x = 0; x < image.width; x++) {
      const [near, far] = nearAndFar(x, columns);
      const sum = 3 * samples[row + near] + samples[row + far];
      image.data[3 * (y * image.width + x) + channel] = (sum + (x & 1 ? 2 : 1)) >> 2;
    }
  }
}

/** jdsample.c, h2v2_fancy_upsample: columns first, kept at 16 times their value until the end. */
function smoothBoth(image: RgbImage, channel: number): void {
  const { samples, columns, rows } = samplesOf(image, channel, 2, 2);
  const mixed = new Uint16Array(columns);
  for (let y = 0; y < image.height; y++) {
    const [nearRow, farRow] = nearAndFar(y, rows);
    for (let x = 0; x < columns; x++) mixed[x] = 3 * samples[nearRow * columns + x] + samples[farRow * columns + x];
    for (let x = 0; x < image.width; x++) {
      const near = x >> 1;
      const far = clamp(near + (x & 1 ? 1 : -1), columns);
      image.data[3 * (y * image.width + x) + channel] = (3 * mixed[near] + mixed[far] + (x & 1 ? 7 : 8)) >> 4;
    }
  }
}

/** The sample that covers position `i` of the doubled axis, and its neighbour on the side of `i`; the edge is its own. */
function nearAndFar(i: number, samples: number): [near: number, far: number] {
  const near = i >> 1;
  return [near, clamp(near + (i & 1 ? 1 : -1), samples)];
}

function clamp(i: number, length: number): number {
  return Math.min(Math.max(i, 0), length - 1);
}

// libjpeg's YCbCr coefficients (ITU-R BT.601) with 16 fractional bits.
const CR_TO_R = 91881; // 1.40200
const CB_TO_G = 22554; // 0.34414
const CR_TO_G = 46802; // 0.71414
const CB_TO_B = 116130; // 1.77200
const HALF = 1 << 15;

/** YCbCr to RGB in place, with libjpeg's rounding (jdcolor.c). */
export function ycbcrToRgb({ data }: RgbImage): void {
  for (let i = 0; i < data.length; i += 3) {
    const y = data[i];
    const cb = data[i + 1] - 128;
    const cr = data[i + 2] - 128;
    data[i] = clampByte(y + ((CR_TO_R * cr + HALF) >> 16));
    data[i + 1] = clampByte(y + ((HALF - CB_TO_G * cb - CR_TO_G * cr) >> 16));
    data[i + 2] = clampByte(y + ((CB_TO_B * cb + HALF) >> 16));
  }
}
