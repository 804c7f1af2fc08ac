import type { Explanation } from '../api.js';
import { AtrousCamError } from '../base/errors.js';
import { formatSeconds } from '../base/format.js';
import { lazy } from '../base/lazy.js';
import { checkOptions } from '../base/options.js';
import { scaleRect } from '../base/shape.js';
import type { RgbImage } from '../base/types.js';
import { resizeImage } from '../image/decode.js';
import { colormapTable, defaultColormap, overlayMap } from '../map/overlay.js';
import type { FigureOptions } from './draw.js';
import { blank, fillRect, paste } from './raster.js';
import type { Typeface } from './text.js';

const WHITE = [255, 255, 255];
const DARK = [32, 33, 36];
const GREY = [95, 99, 104];

/** Largest size of a photograph in the figure; its aspect is kept. */
const PHOTO = { width: 420, height: 360 };
/** Narrowest column, so that the captions of a tall photograph have room. */
const COLUMN = 208;
const MARGIN = 28;
const GAP = 20;
const TITLE = 22;
const NAME = 17;
const TEXT = 15;
const TICK = 13;

/** One column of the figure. */
interface Panel {
  name: string;
  detail: string;
  below: string;
  picture: RgbImage;
  flat: boolean;
}

interface Faces {
  regular: Typeface;
  semibold: Typeface;
}

/** Where things are, in pixels from the top left. */
interface Layout {
  width: number;
  height: number;
  column: number;
  /** Left border of each panel. */
  lefts: number[];
  /** Top border of each panel's photograph. */
  tops: number[];
  bar: { x: number; width: number };
}

function layOut(photo: RgbImage, panels: number, columns: number): Layout {
  const column = Math.max(COLUMN, photo.width);
  const top = MARGIN + TITLE + 16 + NAME + 8 + TEXT + 8;
  const row = NAME + 8 + TEXT + 8 + photo.height + 10 + TEXT + GAP;
  const lefts = Array.from({ length: panels }, (_, i) => MARGIN + (i % columns) * (column + GAP));
  const tops = Array.from({ length: panels }, (_, i) => top + Math.floor(i / columns) * row);
  const bar = { x: Math.max(...lefts) + column + GAP, width: 16 };
  const ticks = 44;
  return {
    width: bar.x + bar.width + ticks + MARGIN,
    height: Math.max(...tops) + photo.height + 10 + TEXT + MARGIN,
    column,
    lefts,
    tops,
    bar,
  };
}

function drawPanel(
  figure: RgbImage,
  panel: Panel,
  x: number,
  top: number,
  { column }: Layout,
  { regular, semibold }: Faces,
): void {
  const { picture } = panel;
  const left = x + Math.floor((column - picture.width) / 2);
  const write = (face: Typeface, text: string, baseline: number, size: number, colour: number[]) =>
    face.draw(figure, face.fit(text, size, column), x, baseline, size, colour);
  write(semibold, panel.name, top - 8 - TEXT - 8, NAME, DARK);
  write(regular, panel.detail, top - 11, TEXT, GREY);
  paste(figure, picture, left, top);
  write(regular, panel.below, top + picture.height + 8 + TEXT, TEXT, DARK);
  if (!panel.flat) return;
  const text = 'flat map';
  const width = Math.ceil(semibold.measure(text, TEXT)) + 20;
  const boxX = x + Math.floor((column - width) / 2);
  const boxY = top + Math.floor(picture.height / 2) - 14;
  fillRect(figure, boxX, boxY, width, 28, WHITE);
  semibold.draw(figure, text, boxX + 10, boxY + 19, TEXT, DARK);
}

/** The colour map from 0, or -1 if signed, (bottom) to 1 (top) with its ticks. */
function drawColourBar(
  figure: RgbImage,
  { colormap, signed }: { colormap: string; signed?: boolean },
  height: number,
  { tops: [top], bar }: Layout,
  face: Typeface,
): void {
  const colours = colormapTable(colormap);
  for (let row = 0; row < height; row++) {
    const index = Math.round((1 - row / Math.max(1, height - 1)) * 255);
    fillRect(figure, bar.x, top + row, bar.width, 1, [...colours.subarray(3 * index, 3 * index + 3)]);
  }
  // Ticks keep a line's distance, so a low picture gets fewer of them.
  const steps = height >= 8 * TICK ? 4 : height >= 4 * TICK ? 2 : 1;
  for (let i = 0; i <= steps; i++) {
    const y = top + Math.round((1 - i / steps) * (height - 1));
    fillRect(figure, bar.x + bar.width, y, 5, 1, DARK);
    face.draw(figure, String(signed ? (2 * i) / steps - 1 : i / steps), bar.x + bar.width + 9, y + 5, TICK, DARK);
  }
}

type Caption = Pick<Panel, 'name' | 'detail' | 'below'>;

const modeCaption = ({ mode, raw, seconds, predictions: [top] }: Explanation): Caption => ({
  name: mode,
  detail: `${raw.width} x ${raw.height}, ${formatSeconds(seconds)}`,
  below: `${top.label} ${top.probability.toFixed(2)}`,
});

const methodCaption = ({ mode, method, layers, heads, raw }: Explanation): Caption => ({
  name: method,
  detail: `${layers.length > 1 ? `${layers.length} layers` : (layers[0] ?? 'input')}${mode === 'atrous' ? `, ${heads}` : ''}`,
  below: `${raw.width} x ${raw.height}`,
});

/** Whether the panels are methods of one mode. */
const compareMethods = ([first, ...others]: readonly Explanation[]): boolean =>
  others.some((e) => e.method !== first.method) && others.every((e) => e.mode === first.mode);

/** What the panels have in common: the mode of several methods, or a method that is not the usual one. */
function howExplained(explanations: readonly Explanation[]): string {
  const [{ mode, method }] = explanations;
  if (compareMethods(explanations)) return `, ${mode}`;
  return method !== 'gradcam' && explanations.every((e) => e.method === method) ? `, ${method}` : '';
}

/** `drawFigure` of the library. */
export async function drawFigure(explanations: readonly Explanation[], options: FigureOptions = {}): Promise<RgbImage> {
  checkOptions('drawFigure', options, { name: 1, columns: 1, width: 1, colormap: 1, alpha: 1 });
  const { name = '', colormap, alpha, columns = explanations.length + 1, width: widest = PHOTO.width } = options;
  const first = explanations[0];
  if (!first) throw new AtrousCamError('BAD_ARGUMENT', 'figure: expected at least one explanation, got none');
  const { openSans } = await lazy(() => import('./text.js'));
  const faces: Faces = { regular: openSans('regular'), semibold: openSans('semibold') };

  const { image, target } = first;
  const scale = Math.min(widest / image.width, (widest / PHOTO.width) * (PHOTO.height / image.height));
  const width = Math.max(1, Math.round(image.width * scale));
  const height = Math.max(1, Math.round(image.height * scale));
  const photo = resizeImage(image, width, height, 'bilinear');
  const overlaid = ({ map, rect }: Explanation) => {
    const scaled = scaleRect(rect, width / image.width, height / image.height);
    return overlayMap(photo, map, scaled, { colormap, alpha });
  };
  const panels: Panel[] = [
    { name: 'original', detail: `${image.width} x ${image.height}`, below: name, picture: photo, flat: false },
    ...explanations.map((e) => ({
      ...(compareMethods(explanations) ? methodCaption(e) : modeCaption(e)),
      picture: overlaid(e),
      flat: e.map.flat,
    })),
  ];

  const layout = layOut(photo, panels.length, columns);
  const figure = blank(layout.width, layout.height);
  const known = target.index >= 0; // one class, which has a number and a probability
  const probability = known ? `, probability ${first.probabilities[target.index].toFixed(3)}` : '';
  const tail = probability + howExplained(explanations);
  const room = layout.width - 2 * MARGIN - faces.semibold.measure(tail, TITLE);
  const subject = faces.semibold.fit(`Evidence for ${target.label}${known ? ` (${target.index})` : ''}`, TITLE, room);
  faces.semibold.draw(figure, subject + tail, MARGIN, MARGIN + TITLE - 4, TITLE, DARK);
  panels.forEach((panel, i) => {
    drawPanel(figure, panel, layout.lefts[i], layout.tops[i], layout, faces);
  });
  const { signed } = first.map;
  drawColourBar(
    figure,
    { colormap: colormap ?? defaultColormap(first.map), signed },
    photo.height,
    layout,
    faces.regular,
  );
  return figure;
}
