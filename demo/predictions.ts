import type { Prediction } from '../src/base/types.js';
import { element, make } from './dom.js';

/** The list of classes: a bar each, and a button that explains it. */
export class Predictions {
  readonly #list = element('predictions', HTMLOListElement);
  readonly #other = element('other-class', HTMLElement);
  readonly #field = element('target', HTMLInputElement);
  readonly #labels = element('labels', HTMLDataListElement);

  constructor(onChoose: (target: string) => void) {
    this.#list.addEventListener('click', ({ target }) => {
      const index = (target as Element).closest<HTMLButtonElement>('button')?.value;
      if (index !== undefined) onChoose(index);
    });
    this.#field.addEventListener('change', () => {
      if (this.#field.value.trim()) onChoose(this.#field.value.trim());
    });
  }

  /** The classes that can be typed; with few of them all are in the list anyway. */
  setLabels(labels: readonly string[]): void {
    this.#other.hidden = labels.length <= 5;
    this.#field.value = '';
    this.#labels.replaceChildren(...labels.map((value) => make('option', { value })));
  }

  /** `explained`: the index of the class that the map is about. */
  show(predictions: readonly Prediction[], explained: number): void {
    const focused = (document.activeElement as HTMLButtonElement | null)?.closest('#predictions button');
    const value = (focused as HTMLButtonElement | null)?.value;
    this.#list.replaceChildren(...predictions.map((prediction) => make('li', {}, row(prediction, explained))));
    if (value !== undefined) this.#list.querySelector<HTMLButtonElement>(`button[value="${value}"]`)?.focus();
  }
}

function row({ index, label, probability }: Prediction, explained: number): HTMLButtonElement {
  const bar = make('span', { className: 'bar' });
  bar.style.width = `${100 * probability}%`;
  const button = make(
    'button',
    { type: 'button', value: String(index) },
    bar,
    make('span', { textContent: label.replaceAll('_', ' ') }),
    make('span', { textContent: probability.toFixed(3) }),
  );
  button.setAttribute('aria-pressed', String(index === explained));
  return button;
}
