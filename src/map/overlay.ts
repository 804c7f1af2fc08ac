import { rgb } from 'd3-color';
import {
  interpolateCividis,
  interpolateCool,
  interpolateCubehelixDefault,
  interpolateGreys,
  interpolateInferno,
  interpolateMagma,
  interpolatePlasma,
  interpolateRdBu,
  interpolateTurbo,
  interpolateViridis,
  interpolateWarm,
} from 'd3-scale-chromatic';
import { AtrousCamError } from '../base/errors.js';
import { checkOptions } from '../base/options.js';
import { didYouMean } from '../base/suggest.js';
import type { Rect, RgbImage } from '../base/types.js';

const interpolators: Readonly<Record<string, (t: number) => string>> = {
  turbo: interpolateTurbo,
  viridis: interpolateViridis,
  inferno: interpolateInferno,
  magma: interpolateMagma,
  plasma: interpolatePlasma,
  cividis: interpolateCividis,
  warm: interpolateWarm,
  cool: interpolateCool,
  cubehelix: interpolateCubehelixDefault,
  redblue: (t) => interpolateRdBu(1 - t), // blue below, white in the middle, red above
  grey: (t) => interpolateGreys(1 - t), // d3's greys run from white to black
};

/** The names that `colormap` may have. */
export const colormapNames: readonly string[] = /* @__PURE__ */ Object.keys(interpolators);

/** What is left of the photograph's brightness where the network did not look. */
const OUTSIDE = 0.6;

/** The colour map of a map unless another is asked for. */
export const defaultColormap = ({ signed }: { signed?: boolean }): string => (signed ? 'redblue' : 'turbo');

/** How a map is laid over the photograph. */
export interface OverlayOptions {
  /** One of `colormapNames`; by default `turbo`, and `redblue` for signed maps. */
  colormap?: string;
  /** Weight of the colours over the photograph, 0..1; 0.5 by default. */
  alpha?: number;
}

/** The 256 colours of a colour map as RGB bytes, the colour of 0 first. Throws BAD_ARGUMENT for an unknown name. */
export function colormapTable(name: string): Uint8Array {
  if (!Object.hasOwn(interpolators, name)) {
    throw new AtrousCamError(
      'BAD_ARGUMENT',
      `colormap: expected one of ${colormapNames.join(', ')}, got "${name}"${didYouMean(name, colormapNames)}`,
    );
  }
  const known = tables.get(name);
  if (known) return known.slice();
  const table = new Uint8Array(256 * 3);
  for (let i = 0; i < 256; i++) {
    const { r, g, b } = rgb(interpolators[name](i / 255));
    table.set([Math.round(r), Math.round(g), Math.round(b)], 3 * i);
  }
  tables.set(name, table);
  return table.slice();
}

/** Tables that were made before: d3 gives colours as text. */
const tables = new Map<string, Uint8Array>();

/** Where each of the pixels `from..to` of the photograph lies between two points of a map axis with `n` points. */
interface Axis {
  from: number;
  to: number;
  low: Int32Array;
  high: Int32Array;
  /** Weight of `high`. */
  weight: Float32Array;
}

/** Half-pixel bilinear stretch of `n` points onto [start, start + size) of an axis with `pixels` pixels, clamped at both ends. */
function axis(n: number, start: number, size: number, pixels: number): Axis {
  // A pixel belongs to the rectangle when its centre does.
  const from = Math.min(pixels, Math.max(0, Math.ceil(start - 0.5)));
  const to = Math.max(from, Math.min(pixels, Math.ceil(start + size - 0.5)));
  const low = new Int32Array(to - from);
  const high = new Int32Array(to - from);
  const weight = new Float32Array(to - from);
  for (let i = 0; i < to - from; i++) {
    const source = Math.min(n - 1, Math.max(0, ((from + i + 0.5 - start) / size) * n - 0.5));
    low[i] = Math.floor(source);
    high[i] = Math.min(n - 1, low[i] + 1);
    weight[i] = source - low[i];
  }
  return { from, to, low, high, weight };
}

/** A map to draw: row by row, 0..1, or -1..1 if it is `signed`; values outside are clamped, NaN counts as 0. */
export interface DrawnMap {
  width: number;
  height: number;
  data: Float32Array;
  signed?: boolean;
}

/**
 * Stretches a map bilinearly onto `rect` of a photograph and calls `paint` for each of its pixels there: with the pixel's number, and its
 * value as 0..1 (of a signed map 0.5 is nothing).
 */
export function eachPixel(
  map: DrawnMap,
  rect: Rect,
  { width, height }: { width: number; height: number },
  paint: (pixel: number, value: number) => void,
): void {
  if (map.data.length !== map.width * map.height || map.data.length === 0)
    throw new AtrousCamError(
      'BAD_ARGUMENT',
      `map: expected width * height = ${map.width * map.height} values (at least 1), got ${map.data.length}`,
    );
  const columns = axis(map.width, rect.x, rect.width, width);
  const rows = axis(map.height, rect.y, rect.height, height);
  for (let y = rows.from; y < rows.to; y++) {
    const row = y - rows.from;
    const top = rows.low[row] * map.width;
    const bottom = rows.high[row] * map.width;
    for (let x = columns.from; x < columns.to; x++) {
      const column = x - columns.from;
      const wx = columns.weight[column];
      const left = columns.low[column];
      const right = columns.high[column];
      const above = map.data[top + left] * (1 - wx) + map.data[top + right] * wx;
      const below = map.data[bottom + left] * (1 - wx) + map.data[bottom + right] * wx;
      const mixed = above + (below - above) * rows.weight[row] || 0; // a NaN counts as 0
      const value = map.signed ? (mixed + 1) / 2 : mixed;
      paint(y * width + x, Math.max(0, Math.min(value, 1)));
    }
  }
}

/** The number of the colour of a value, 0..1. */
export const nearest = (value: number): number => (value * 255 + 0.5) | 0;

/** The colours of a map and their weight, which is `standard` where none is asked for. */
export function readStyle(call: string, map: DrawnMap, options: OverlayOptions = {}, standard: number) {
  checkOptions(call, options, { colormap: 1, alpha: 1 });
  const { colormap = defaultColormap(map), alpha = standard } = options;
  if (!(alpha >= 0 && alpha <= 1))
    throw new AtrousCamError('BAD_ARGUMENT', `alpha: expected a number from 0 to 1, got ${alpha}`);
  return { colours: colormapTable(colormap), alpha };
}

/**
 * Draws a map over a photograph: the map is stretched bilinearly onto `rect` and its colours are blended into the photograph with weight
 * `alpha`; outside `rect` the photograph is darkened. The photograph itself is left as it is. Throws BAD_ARGUMENT for an unknown
 * colour map, an alpha outside 0..1 or a map whose size is not that of its data.
 *
 * @example
 * const { image, map, rect } = await network.explain('dog.jpg');
 * const picture = overlayMap(image, map, rect, { colormap: 'viridis', alpha: 0.6 });
 */
export function overlayMap(image: RgbImage, map: DrawnMap, rect: Rect, options?: OverlayOptions): RgbImage {
  const { colours, alpha } = readStyle('overlay', map, options, 0.5);
  const { width, height, data: photograph } = image;
  const data = new Uint8Array(photograph.length);
  const darkened = Uint8Array.from({ length: 256 }, (_, byte) => Math.round(byte * OUTSIDE));
  for (let i = 0; i < data.length; i++) data[i] = darkened[photograph[i]];
  const under = Float64Array.from({ length: 256 }, (_, byte) => byte * (1 - alpha));
  const over = Float64Array.from(colours, (byte) => byte * alpha);
  eachPixel(map, rect, image, (pixel, value) => {
    const colour = 3 * nearest(value);
    const at = 3 * pixel;
    // Rounded: half is added, and storing truncates. Tables, and no loop over three channels: half the time.
    data[at] = under[photograph[at]] + over[colour] + 0.5;
    data[at + 1] = under[photograph[at + 1]] + over[colour + 1] + 0.5;
    data[at + 2] = under[photograph[at + 2]] + over[colour + 2] + 0.5;
  });
  return { width, height, data };
}
