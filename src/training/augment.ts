import type { Draw } from '../wasm/ops/augment.js';
import { randomOf } from './keyed-random.js';

/** How training pictures are varied. */
export interface Augmentation {
  /** Smallest share of the picture's area that a crop keeps. 1: no crop. */
  readonly crop: number;
  /** Largest ratio by which a crop stretches one side against the other. */
  readonly aspect: number;
  /** Whether half of the pictures are mirrored. */
  readonly flip: boolean;
  /** Largest change of brightness, as a share of the range of a byte. */
  readonly brightness: number;
  /** Largest change of contrast, as a share of it. */
  readonly contrast: number;
  /** Share of the batches in which each picture gets a half or a box of another one, and as much of its label (CutMix). */
  readonly cutmix: number;
}

/** What is drawn into one picture of a batch. */
export interface Drawing {
  readonly own: Draw;
  /** What covers a part of it, or an empty rectangle; and its share of the label. */
  readonly other: Draw;
  readonly share: number;
}

/** The size of a source picture. */
type Size = { readonly width: number; readonly height: number };

/** How the pictures of a stage are varied. */
export interface Variation extends Augmentation {
  /**
   * Instead of `cutmix`: the share of the batches in which each picture gets another one whole, shrunk into a box of 0.2 to 0.7 of the
   * side (ResizeMix, Qin et al. 2020, https://arxiv.org/abs/2012.11101). Its share of the label is the box's of the side, not of the
   * area: an animal counts for more than its pixels.
   */
  readonly inset?: number;
}

/**
 * Chooses how the pictures of a batch are drawn; `keys` are the seed and the batch's number. The picture that covers a part of
 * picture i is the next one, drawn as where it is itself the picture, or shrunk.
 */
export function chooseDrawings(
  sources: readonly Size[],
  side: number,
  { cutmix, inset, ...variation }: Variation,
  keys: readonly number[],
): Drawing[] {
  const draws = sources.map((source, i) => varied(source, side, variation, randomOf(...keys, 1, i)));
  const random = randomOf(...keys, 2);
  const mixes = random() < (inset ?? cutmix) && sources.length > 1;
  return draws.map((own, i) => {
    const next = draws[(i + 1) % draws.length];
    if (!mixes) return { own, other: { ...next, left: 0, top: 0, right: 0, bottom: 0 }, share: 0 };
    if (inset === undefined) {
      const region = chooseRegion(side, random);
      return { own, other: { ...next, ...region }, share: shareOf(region, side) };
    }
    const box = chooseBox(side, random);
    return { own, other: shrunk(next, box, side), share: Math.sqrt(shareOf(box, side)) };
  });
}

function varied(
  { width, height }: Size,
  side: number,
  { crop, aspect, flip, brightness, contrast }: Omit<Augmentation, 'cutmix'>,
  random: () => number,
): Draw {
  const area = crop + (1 - crop) * random();
  const stretch = Math.exp(Math.log(aspect) * (2 * random() - 1));
  const w = Math.min(1, Math.sqrt(area * stretch));
  const h = Math.min(1, Math.sqrt(area / stretch));
  const x = (1 - w) * random();
  const y = (1 - h) * random();
  const mirrored = flip && random() < 0.5;
  const gain = 1 + contrast * (2 * random() - 1);
  const offset = 255 * brightness * (2 * random() - 1);
  const dx = (w * width) / side;
  const dy = (h * height) / side;
  return {
    x: mirrored ? (x + w) * width - 0.5 - dx / 2 : x * width - 0.5 + dx / 2,
    y: y * height - 0.5 + dy / 2,
    dx: mirrored ? -dx : dx,
    dy,
    gain,
    offset: 128 * (1 - gain) + offset, // contrast turns about the middle of the range
    left: 0,
    top: 0,
    right: side,
    bottom: side,
  };
}

type Region = Pick<Draw, 'left' | 'top' | 'right' | 'bottom'>;

/** One of the four halves, or a box whose area is uniform in 0 .. 1 before it is cut at the edges. */
function chooseRegion(side: number, random: () => number): Region {
  const half = side / 2;
  if (random() < 0.5) {
    const which = Math.floor(4 * random());
    return {
      left: which === 1 ? half : 0,
      top: which === 3 ? half : 0,
      right: which === 0 ? half : side,
      bottom: which === 2 ? half : side,
    };
  }
  const extent = (side * Math.sqrt(random())) / 2;
  const [cx, cy] = [side * random(), side * random()];
  const edge = (value: number) => Math.max(0, Math.min(side, Math.round(value)));
  return { left: edge(cx - extent), top: edge(cy - extent), right: edge(cx + extent), bottom: edge(cy + extent) };
}

/** A region's share of the area. */
const shareOf = ({ left, top, right, bottom }: Region, side: number): number =>
  ((right - left) * (bottom - top)) / side ** 2;

/** A square anywhere in the picture, its area uniform in 0.04 .. 0.49 of it. */
function chooseBox(side: number, random: () => number): Region {
  const extent = Math.round(side * Math.sqrt(0.2 ** 2 + (0.7 ** 2 - 0.2 ** 2) * random()));
  const left = Math.floor((side - extent + 1) * random());
  const top = Math.floor((side - extent + 1) * random());
  return { left, top, right: left + extent, bottom: top + extent };
}

/** All of a drawing in a part of the square. */
function shrunk(draw: Draw, region: Region, side: number): Draw {
  const along = (first: number, step: number, begin: number, end: number) => {
    const scale = side / (end - begin);
    return { first: first + step * ((0.5 - begin) * scale - 0.5), step: step * scale };
  };
  const x = along(draw.x, draw.dx, region.left, region.right);
  const y = along(draw.y, draw.dy, region.top, region.bottom);
  return { ...draw, ...region, x: x.first, dx: x.step, y: y.first, dy: y.step };
}

/** A picture as it is, squashed to the input. */
export const plainDraw = ({ width, height }: Size, side: number): Draw => ({
  x: width / side / 2 - 0.5,
  y: height / side / 2 - 0.5,
  dx: width / side,
  dy: height / side,
  gain: 1,
  offset: 0,
  left: 0,
  top: 0,
  right: side,
  bottom: side,
});
