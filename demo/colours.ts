import { colormapTable, defaultColormap } from '../src/map/overlay.js';

/** How a map is coloured. */
export interface Look {
  /** A colour map's name; empty: `turbo`, or red and blue for signed maps. */
  colormap: string;
  /** Of strong evidence, 0..1. */
  opacity: number;
  /** Whether the map goes from -1 to 1. */
  signed: boolean;
  /** What its strongest point is worth, 0..1: less than 1 where classes share a scale. */
  strength: number;
  /** Scaled by the 99th percentile instead of the largest value: of maps of single pixels, few of which are far beyond all others. */
  robust: boolean;
}

/** Evidence from here on has the full opacity; below it fades, to nothing where there is none. */
const OPAQUE = 0.4;
/** Of signed maps, where no colour map is chosen: one colour each, which fades, so that the photograph is not washed out between them. */
const FOR = [204, 10, 40];
const AGAINST = [10, 82, 204];
const PERCENTILE = 0.99;

/** A map as a picture of its own size: no evidence is transparent. */
export function heatImage(map: Float32Array, width: number, look: Look): ImageData {
  const image = new ImageData(width, map.length / width);
  const pixels = new Uint32Array(image.data.buffer);
  const colours = packedColours(look);
  const scale = (look.robust ? 1 / percentileOf(map) : 1) * look.strength;
  const last = STEPS - 1;
  for (let i = 0; i < map.length; i++) {
    const value = Math.min(Math.max(map[i] * scale, -1), 1);
    pixels[i] = colours[Math.round(look.signed ? ((value + 1) / 2) * last : Math.max(value, 0) * last)];
  }
  return image;
}

/** The colours from 0 (or -1) to 1 as a picture of one row. */
export const scaleImage = (look: Look): ImageData => {
  const image = new ImageData(STEPS, 1);
  new Uint32Array(image.data.buffer).set(packedColours(look));
  return image;
};

/** Odd, so that 0 of a signed map has a colour of its own. */
const STEPS = 511;

const tables = new Map<string, Uint32Array>();

/** RGBA of each step, in the order of the machine's bytes. */
function packedColours({ colormap, opacity, signed }: Look): Uint32Array {
  const name = colormap || defaultColormap({ signed });
  const key = `${name} ${opacity} ${signed}`;
  const known = tables.get(key);
  if (known) return known;
  const bytes = new Uint8Array(4 * STEPS);
  const colours = colormapTable(name);
  for (let i = 0; i < STEPS; i++) {
    const share = i / (STEPS - 1);
    const strength = signed ? Math.abs(2 * share - 1) : share;
    const at = 3 * Math.round(share * 255);
    const isPlain = signed && colormap === '';
    const colour = isPlain ? (share < 0.5 ? AGAINST : FOR) : colours.subarray(at, at + 3);
    bytes.set([...colour, Math.round(255 * opacity * Math.min(1, strength / (isPlain ? 1 : OPAQUE)))], 4 * i);
  }
  const table = new Uint32Array(bytes.buffer);
  if (tables.size > 50) tables.clear();
  tables.set(key, table);
  return table;
}

const percentiles = new WeakMap<Float32Array, number>();

function percentileOf(map: Float32Array): number {
  const known = percentiles.get(map);
  if (known !== undefined) return known;
  const sizes = map.map(Math.abs).sort();
  const value = sizes[Math.floor(PERCENTILE * (sizes.length - 1))] || sizes[sizes.length - 1] || 1;
  percentiles.set(map, value);
  return value;
}
