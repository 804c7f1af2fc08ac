import type { Rect } from '../src/base/types.js';
import { heatImage, type Look, scaleImage } from './colours.js';
import { element } from './dom.js';
import type { View } from './settings.js';

/** What one side shows. Without a map it is the photograph. */
export interface Side {
  view: View;
  /** Finished values row by row, `width` in each. */
  map?: Float32Array;
  width?: number;
  /** `pooled, 14 × 14` */
  caption: string;
}

export interface Style extends Look {
  /** The part of the photograph that the network sees. */
  rect?: Rect;
}

/** A canvas has at least and at most so many columns, whatever the photograph has. */
const COLUMNS = { least: 1000, most: 1600 };
/** Columns of the small pictures. */
const SMALL = 360;
/** How long a refined map takes to appear, where the visitor does not mind motion. */
const FADE = 260;
/** Brightness of the part of the photograph that the network does not see, as in saved pictures. */
const OUTSIDE = 0.6;
/** A finger that moves less, in CSS pixels, taps. */
const TAP = 10;

export type PaneName = 'left' | 'right' | 'original' | 'usual' | 'sharp';

/** The picture: two sides, one over the other, with a divider between them, and three small ones below. */
export class Stage {
  readonly #figure = element('stage', HTMLElement);
  readonly #divider = element('divider', HTMLInputElement);
  readonly #panes: Readonly<Record<PaneName, Pane>> = {
    left: new Pane('left', 'Left side'),
    right: new Pane('right', 'Right side'),
    original: new Pane('original', 'Photograph', SMALL),
    usual: new Pane('usual', 'As other tools draw it', SMALL),
    sharp: new Pane('sharp', 'Ours', SMALL),
  };
  #photo: ImageBitmap | undefined;

  constructor(readonly onPoint: (x: number, y: number) => void) {
    this.#divider.addEventListener('input', () => this.#divide());
    this.#figure.addEventListener('pointermove', (event) => {
      if (event.pointerType !== 'touch') this.#pointAt(event);
    });
    this.#listenForTaps();
    this.#divide();
  }

  /** Shows another photograph, without maps. */
  open(photo: ImageBitmap): void {
    this.#photo = photo;
    const { width, height } = photo;
    this.#figure.style.setProperty('--ratio', String(width / height));
    for (const pane of Object.values(this.#panes)) pane.open(photo);
  }

  show(name: PaneName, side: Side, style: Style): void {
    this.#panes[name].show(side, style);
  }

  /** What is painted on a side now, at the photograph's own size. */
  picture(name: 'left' | 'right'): OffscreenCanvas {
    return this.#panes[name].picture();
  }

  #divide(): void {
    this.#figure.style.setProperty('--divide', `${this.#divider.value}%`);
  }

  /** A tap, and a click beside the divider's knob, read the values there and move the divider. */
  #listenForTaps(): void {
    let down: { x: number; y: number } | undefined;
    this.#figure.addEventListener('pointerdown', ({ clientX: x, clientY: y }) => {
      down = { x, y };
    });
    this.#figure.addEventListener('pointerup', (event) => {
      const moved = down ? Math.hypot(event.clientX - down.x, event.clientY - down.y) : Number.POSITIVE_INFINITY;
      if (moved > TAP || event.target === this.#divider) return;
      this.#pointAt(event);
      const box = this.#figure.getBoundingClientRect();
      this.#divider.value = String((100 * (event.clientX - box.left)) / box.width);
      this.#divide();
    });
  }

  #pointAt({ clientX, clientY }: PointerEvent): void {
    if (!this.#photo) return;
    const box = this.#figure.getBoundingClientRect();
    const x = Math.floor(((clientX - box.left) / box.width) * this.#photo.width);
    const y = Math.floor(((clientY - box.top) / box.height) * this.#photo.height);
    this.onPoint(Math.min(Math.max(x, 0), this.#photo.width - 1), Math.min(Math.max(y, 0), this.#photo.height - 1));
  }
}

const PLAIN: Style = { colormap: '', opacity: 1, signed: false, strength: 1, robust: false };

class Pane {
  readonly #canvas: HTMLCanvasElement;
  readonly #tag: HTMLElement | null;
  readonly #heat = new OffscreenCanvas(1, 1);
  #photo: ImageBitmap | undefined;
  #side: Side | undefined;
  #style = PLAIN;
  /** The values that are on the canvas, `width` in a row: those of the side, or on the way there. */
  #shown: { map: Float32Array; width: number } | undefined;
  /** What the heat canvas holds, so that it is painted once. */
  #heated: unknown[] = [];
  #fade: { from: Float32Array; start: number } | undefined;
  #frame = 0;

  constructor(
    name: string,
    readonly label: string,
    readonly columns?: number,
  ) {
    this.#canvas = element(`${name}-canvas`, HTMLCanvasElement);
    this.#tag = document.getElementById(`${name}-tag`);
  }

  open(photo: ImageBitmap): void {
    this.#photo = photo;
    const columns = this.columns ?? Math.min(Math.max(photo.width, COLUMNS.least), COLUMNS.most);
    this.#canvas.width = columns;
    this.#canvas.height = Math.round((columns * photo.height) / photo.width);
    this.#shown = undefined;
    this.#fade = undefined;
    this.show({ view: 'original', caption: '' }, PLAIN);
  }

  show(side: Side, style: Style): void {
    const before = this.#side;
    const refined = before?.view === side.view && before.map !== side.map && this.#shown && motionAllowed();
    if (before?.map !== side.map || before?.view !== side.view) {
      this.#fade = refined && side.map ? { from: resized(this.#shown!, side), start: performance.now() } : undefined;
      this.#shown = side.map && { map: side.map, width: side.width! };
    }
    this.#side = side;
    this.#style = style;
    if (this.#tag && this.#tag.textContent !== side.caption) this.#tag.textContent = side.caption;
    this.#canvas.setAttribute('aria-label', `${this.label}: ${side.caption || 'the photograph'}`);
    this.#request();
  }

  picture(): OffscreenCanvas {
    const photo = this.#photo!;
    const canvas = new OffscreenCanvas(photo.width, photo.height);
    if (this.#side?.map) this.#shown = { map: this.#side.map, width: this.#side.width! };
    this.#paint(canvas.getContext('2d')!, canvas.width, canvas.height);
    return canvas;
  }

  /** Paints once before the next frame, however often it is asked for. */
  #request(): void {
    this.#frame ||= requestAnimationFrame((now) => {
      this.#frame = 0;
      this.#step(now);
      const context = this.#canvas.getContext('2d');
      if (context) this.#paint(context, this.#canvas.width, this.#canvas.height);
      if (this.#fade) this.#request();
    });
  }

  /** On the way from one map to the next. */
  #step(now: number): void {
    const to = this.#side?.map;
    if (!this.#fade || !to) return;
    const { from, start } = this.#fade;
    const share = Math.min(1, Math.max(0, (now - start) / FADE));
    const map = share === 1 ? to : to.map((value, i) => from[i] + (value - from[i]) * share);
    this.#shown = { map, width: this.#side!.width! };
    if (share === 1) this.#fade = undefined;
  }

  #paint(context: CanvasRenderingContext2D | OffscreenCanvasRenderingContext2D, width: number, height: number): void {
    const photo = this.#photo;
    if (!photo) return;
    context.globalAlpha = 1;
    context.drawImage(photo, 0, 0, width, height);
    const { rect } = this.#style;
    if (!this.#shown || !rect) return;

    const scale = width / photo.width;
    const [x, y, w, h] = [rect.x, rect.y, rect.width, rect.height].map((value) => value * scale);
    context.fillStyle = '#000';
    context.globalAlpha = 1 - OUTSIDE;
    context.beginPath();
    context.rect(0, 0, width, height);
    context.rect(x, y, w, h);
    context.fill('evenodd');
    this.#heatUp(this.#shown);
    context.globalAlpha = 1;
    context.imageSmoothingQuality = 'high';
    context.drawImage(this.#heat, x, y, w, h);
  }

  #heatUp({ map, width }: { map: Float32Array; width: number }): void {
    const { colormap, opacity, signed, strength, robust } = this.#style;
    const heated = [map, colormap, opacity, signed, strength, robust];
    if (heated.every((value, i) => value === this.#heated[i])) return;
    this.#heated = heated;
    this.#heat.width = width;
    this.#heat.height = map.length / width;
    this.#heat.getContext('2d')!.putImageData(heatImage(map, width, this.#style), 0, 0);
  }
}

/** A map at the size of a side's, each value that of the nearest point. */
function resized({ map, width }: { map: Float32Array; width: number }, side: Side): Float32Array {
  const to = side.map!;
  if (to.length === map.length) return map;
  const [w, h] = [side.width!, to.length / side.width!];
  const columns = Int32Array.from({ length: w }, (_, x) => Math.floor((x * width) / w));
  const rows = map.length / width;
  return to.map((_, i) => map[Math.floor((Math.floor(i / w) * rows) / h) * width + columns[i % w]]);
}

const motionAllowed = (): boolean => matchMedia('(prefers-reduced-motion: no-preference)').matches;

/** The colours from none to the strongest, or from one class's to the other's, on a canvas of one row. */
export function drawScale(canvas: HTMLCanvasElement, look: Look): void {
  const image = scaleImage(look);
  canvas.width = image.width;
  canvas.getContext('2d')!.putImageData(image, 0, 0);
}
