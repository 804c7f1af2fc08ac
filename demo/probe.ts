import type { Explanation } from '../src/api.js';
import { element } from './dom.js';

/** A map by the name of the view that shows it. */
interface Named {
  name: string;
  explanation: Explanation;
}

/** The values of the maps at one point of the photograph, chosen with the pointer, tapped or typed. */
export class Probe {
  readonly #x = element('probe-x', HTMLInputElement);
  readonly #y = element('probe-y', HTMLInputElement);
  readonly #value = element('probe-value', HTMLOutputElement);
  #sides: readonly (Named | undefined)[] = [];

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

  show(sides: readonly (Named | undefined)[]): void {
    this.#sides = sides;
    this.#read();
  }

  #read(): void {
    const [x, y] = [this.#x.valueAsNumber, this.#y.valueAsNumber];
    const shown = new Map(this.#sides.filter((side) => side !== undefined).map((side) => [side.name, side]));
    this.#value.value = [...shown.values()].map((side) => valueAt(side, x, y)).join(' · ') || '–';
  }
}

/** `pooled 0.41`, or that the network does not see the point. */
function valueAt({ name, explanation: { map, rect } }: Named, x: number, y: number): string {
  const [u, v] = [(x + 0.5 - rect.x) / rect.width, (y + 0.5 - rect.y) / rect.height];
  if (!(u >= 0 && u < 1 && v >= 0 && v < 1)) return `${name} not seen`;
  const value = map.data[Math.floor(v * map.height) * map.width + Math.floor(u * map.width)];
  return `${name} ${value.toFixed(2).replace('-', '−')}`;
}
