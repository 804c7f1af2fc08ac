import { element, make } from './dom.js';
import { type Photo, SAMPLES } from './photo.js';

/** Most own photographs that are held at a time; the oldest one goes. */
const MOST = 24;
/** Columns of a thumbnail. */
const WIDTH = 208;

/** The strip of photographs to choose from: the samples, and the visitor's own. */
export class Gallery {
  readonly #strip = element('samples', HTMLElement);
  readonly #own = new Map<string, Photo>();
  #count = 0;

  /** @param onChoose takes a sample's name, or that of an own photograph */
  constructor(onChoose: (name: string) => void) {
    this.#strip.append(
      ...SAMPLES.map(({ name, title, thumbnail }) => button(name, title, make('img', { src: thumbnail, alt: title }))),
    );
    this.#strip.addEventListener('click', ({ target }) => {
      const name = (target as Element).closest('button')?.value;
      if (name) onChoose(name);
    });
  }

  /** Adds an own photograph to the strip. Returns its name. */
  add(photo: Photo): string {
    const name = `own ${++this.#count}`;
    this.#own.set(name, photo);
    const { width, height } = photo.bitmap;
    const canvas = make('canvas', { width: WIDTH, height: Math.round((WIDTH * height) / width) });
    canvas.getContext('2d')!.drawImage(photo.bitmap, 0, 0, canvas.width, canvas.height);
    canvas.setAttribute('role', 'img');
    canvas.setAttribute('aria-label', photo.name);
    this.#strip.append(button(name, photo.name, canvas));
    if (this.#own.size > MOST) {
      const [oldest] = this.#own.keys();
      this.#own.delete(oldest);
      this.#strip.querySelector(`button[value="${oldest}"]`)!.remove();
    }
    return name;
  }

  own(name: string): Photo | undefined {
    return this.#own.get(name);
  }

  /** The last own photograph's name, if there is one. */
  get latest(): string | undefined {
    return [...this.#own.keys()].at(-1);
  }

  mark(name: string): void {
    for (const button of this.#strip.querySelectorAll('button'))
      button.setAttribute('aria-pressed', String(button.value === name));
  }
}

const button = (value: string, title: string, picture: HTMLElement): HTMLButtonElement =>
  make('button', { type: 'button', value, title }, picture);
