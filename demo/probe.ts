import type { Explanation } from '../src/api.js';
import { element } from './dom.js';

/** The values of the maps at one point of the photograph, chosen with the pointer or typed. */
export class Probe {
  readonly #x = element('probe-x', HTMLInputElement);
  readonly #y = element('probe-y', HTMLInputElement);
  readonly #value = element('probe-value', HTMLOutputElement);
  #sides: readonly (Explanation | undefined)[] = [];

  constructor() {
    for (const input of [this.#x, this.#y]) input.addEventListener('input', () => this.#read());
  }

  open({ width, height }: { width: number; height: number }): void {
    this.#x.max = String(width - 1);
    this.#y.max = String(height - 1);
    this.moveTo(width >> 1, height >> 1);
  }

  /** Pixels of the photograph. */
  moveTo(x: number, y: number): void {
    this.#x.value = String(x);
    this.#y.value = String(y);
    this.#read();
  }

  show(sides: readonly (Explanation | undefined)[]): void {
    this.#sides = sides;
    this.#read();
  }

  #read(): void {
    const [x, y] = [this.#x.valueAsNumber, this.#y.valueAsNumber];
    const shown = new Set(this.#sides.filter((side) => side !== undefined));
    this.#value.value = [...shown].map((side) => valueAt(side, x, y)).join(' · ') || '–';
  }
}

/** `pooled 0.41`, or that the network does not see the point. */
function valueAt({ mode, map, rect }: Explanation, x: number, y: number): string {
  const [u, v] = [(x + 0.5 - rect.x) / rect.width, (y + 0.5 - rect.y) / rect.height];
  if (!(u >= 0 && u < 1 && v >= 0 && v < 1)) return `${mode} not seen`;
  const value = map.data[Math.floor(v * map.height) * map.width + Math.floor(u * map.width)];
  return `${mode} ${value.toFixed(2)}`;
}
