import type { Explanation } from '../api.js';
import { lazy } from '../base/lazy.js';
import type { RgbImage } from '../base/types.js';
import type { OverlayOptions } from '../map/overlay.js';

/** How the figure looks. */
export interface FigureOptions extends OverlayOptions {
  /** Name of the picture, shown below the original. */
  name?: string;
  /** Panels in a row, the original included; by default all of them. */
  columns?: number;
  /** Width of a panel's picture at most, in pixels; default 420. */
  width?: number;
}

/**
 * The comparison of a photograph's explanations, side by side: the original, then one panel per explanation in the
 * given order with its mode (its method where they differ in that alone), the size of its own map, its time and its top
 * prediction; a title with the explained class and its probability in the first explanation; a colour bar. The figure
 * depends on nothing but its arguments. The font is loaded when the first figure is drawn. Throws BAD_ARGUMENT without
 * explanations and for an unknown colour map.
 *
 * @example
 * const modes = [await net.explain(photo, { mode: 'pooled' }), await net.explain(photo, { mode: 'atrous' })];
 * await writeFile('dog.png', encodePng(await drawFigure(modes, { name: 'dog.jpg' })));
 */
export async function drawFigure(explanations: readonly Explanation[], options: FigureOptions = {}): Promise<RgbImage> {
  const figure = await lazy(() => import('./figure.js')); // a page that draws the map alone needs none of it
  return figure.drawFigure(explanations, options);
}
