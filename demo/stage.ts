import type { Rect } from '../src/base/types.js';
import { colormapTable } from '../src/map/overlay.js';
import { element } from './dom.js';
import type { View } from './settings.js';

/** What one side shows. Without a map it is the photograph. */
export interface Side {
  view: View;
  /** Finished values, 0..1, row by row, `size` a side. */
  map?: Float32Array;
  size?: number;
  /** `pooled, 14 × 14 points` */
  caption: string;
}

/** A canvas has at least and at most so many columns, whatever the photograph has. */
const COLUMNS = { least: 1000, most: 1600 };
/** How long a refined map takes to appear, where the visitor does not mind motion. */
const FADE = 260;
/** Brightness of the part of the photograph that the network does not see, as in saved pictures. */
const OUTSIDE = 0.6;

/** The picture: two sides, one over the other, with a divider between them. */
export class Stage {
  readonly #figure = element('stage', HTMLElement);
  readonly #divider = element('divider', HTMLInputElement);
  readonly #panes = { left: new Pane('left'), right: new Pane('right') };
  #photo: ImageBitmap | undefined;

  constructor(onPoint: (x: number, y: number) => void) {
    this.#divider.addEventListener('input', () => this.#divide());
    this.#figure.addEventListener('pointermove', (event) => {
      if (!this.#photo) return;
      const box = this.#figure.getBoundingClientRect();
      const x = Math.floor(((event.clientX - box.left) / box.width) * this.#photo.width);
      const y = Math.floor(((event.clientY - box.top) / box.height) * this.#photo.height);
      onPoint(Math.min(Math.max(x, 0), this.#photo.width - 1), Math.min(Math.max(y, 0), this.#photo.height - 1));
    });
    this.#divide();
  }

  /** Shows another photograph, without maps. */
  open(photo: ImageBitmap): void {
    this.#photo = photo;
    const { width, height } = photo;
    this.#figure.style.aspectRatio = `${width} / ${height}`;
    this.#figure.style.maxWidth = `calc(78vh * ${width / height})`;
    for (const pane of Object.values(this.#panes)) pane.open(photo);
  }

  show(name: 'left' | 'right', side: Side, style: { colormap: string; opacity: number; rect?: Rect }): void {
    this.#panes[name].show(side, style);
  }

  #divide(): void {
    this.#figure.style.setProperty('--divide', `${this.#divider.value}%`);
  }
}

class Pane {
  readonly #canvas: HTMLCanvasElement;
  readonly #tag: HTMLElement;
  readonly #label: string;
  readonly #heat = new OffscreenCanvas(1, 1);
  #photo: ImageBitmap | undefined;
  #side: Side | undefined;
  #style: { colormap: string; opacity: number; rect?: Rect } = { colormap: 'turbo', opacity: 0.5 };
  /** The values that are on the canvas: those of the side, or on the way there. */
  #shown: Float32Array | undefined;
  #frame = 0;

  constructor(name: 'left' | 'right') {
    this.#canvas = element(`${name}-canvas`, HTMLCanvasElement);
    this.#tag = element(`${name}-tag`, HTMLElement);
    this.#label = name === 'left' ? 'Left side' : 'Right side';
  }

  open(photo: ImageBitmap): void {
    this.#photo = photo;
    const columns = Math.min(Math.max(photo.width, COLUMNS.least), COLUMNS.most);
    this.#canvas.width = columns;
    this.#canvas.height = Math.round((columns * photo.height) / photo.width);
    this.#shown = undefined;
    this.show({ view: 'original', caption: '' }, this.#style);
  }

  show(side: Side, style: { colormap: string; opacity: number; rect?: Rect }): void {
    const refined = this.#side?.view === side.view && this.#side.map !== side.map;
    this.#side = side;
    this.#style = style;
    this.#tag.textContent = side.caption;
    this.#canvas.setAttribute('aria-label', `${this.#label}: ${side.caption || 'the photograph'}`);
    cancelAnimationFrame(this.#frame);
    if (refined && side.map && this.#shown?.length === side.map.length && motionAllowed())
      this.#fade(this.#shown, side.map);
    else {
      this.#shown = side.map;
      this.#draw();
    }
  }

  /** Goes from one map to the next in FADE milliseconds. */
  #fade(from: Float32Array, to: Float32Array): void {
    const start = performance.now();
    const step = (now: number) => {
      const share = Math.min(1, Math.max(0, (now - start) / FADE));
      this.#shown = share === 1 ? to : to.map((value, i) => from[i] + (value - from[i]) * share);
      this.#draw();
      if (share < 1) this.#frame = requestAnimationFrame(step);
    };
    this.#frame = requestAnimationFrame(step);
  }

  #draw(): void {
    const photo = this.#photo;
    const context = this.#canvas.getContext('2d');
    if (!photo || !context) return;
    const { width, height } = this.#canvas;
    context.globalAlpha = 1;
    context.drawImage(photo, 0, 0, width, height);
    const { colormap, opacity, rect } = this.#style;
    if (!this.#shown || !this.#side?.size || !rect) return;

    const scale = width / photo.width;
    const [x, y, w, h] = [rect.x, rect.y, rect.width, rect.height].map((value) => value * scale);
    context.fillStyle = '#000';
    context.globalAlpha = 1 - OUTSIDE;
    context.beginPath();
    context.rect(0, 0, width, height);
    context.rect(x, y, w, h);
    context.fill('evenodd');
    this.#paintHeat(this.#shown, this.#side.size, colormap);
    context.globalAlpha = opacity;
    context.imageSmoothingQuality = 'high';
    context.drawImage(this.#heat, x, y, w, h);
  }

  #paintHeat(map: Float32Array, size: number, colormap: string): void {
    this.#heat.width = size;
    this.#heat.height = size;
    const context = this.#heat.getContext('2d')!;
    const image = context.createImageData(size, size);
    const colours = colormapTable(colormap);
    for (let i = 0; i < map.length; i++) {
      const colour = 3 * Math.round(Math.min(Math.max(map[i], 0), 1) * 255);
      image.data.set([colours[colour], colours[colour + 1], colours[colour + 2], 255], 4 * i);
    }
    context.putImageData(image, 0, 0);
  }
}

const motionAllowed = (): boolean => matchMedia('(prefers-reduced-motion: no-preference)').matches;

/** The colours of a colour map from 0 to 1 on a canvas of one row. */
export function drawScale(canvas: HTMLCanvasElement, colormap: string): void {
  const context = canvas.getContext('2d')!;
  const image = context.createImageData(256, 1);
  const colours = colormapTable(colormap);
  for (let i = 0; i < 256; i++) image.data.set([...colours.subarray(3 * i, 3 * i + 3), 255], 4 * i);
  context.putImageData(image, 0, 0);
}
