import type { Explanation } from '../src/api.js';
import type { Prediction } from '../src/base/types.js';
import { element, make } from './dom.js';
import { classesOf } from './settings.js';

/** The numbers of a target's classes. */
export interface Chosen {
  for: number;
  against?: number;
}

/** Below this probability a class's evidence is called weak. */
const WEAK = 0.02;

/** The list of classes: a bar each, a button that explains it, and one that compares the explained class with it. */
export class Classes {
  readonly #list = element('predictions', HTMLOListElement);
  readonly #other = element('other-class', HTMLElement);
  readonly #field = element('target', HTMLInputElement);
  readonly #names = element('labels', HTMLDataListElement);
  readonly #weak = element('weak', HTMLElement);
  #labels: readonly string[] = [];
  #chosen: Chosen | undefined;

  /** @param onChoose takes a target, `A` or `A/B`, as numbers or as it was typed */
  constructor(onChoose: (target: string) => void) {
    this.#list.addEventListener('click', ({ target }) => {
      const button = (target as Element).closest<HTMLButtonElement>('button');
      if (!button) return;
      const index = Number(button.value);
      onChoose(button.classList.contains('versus') ? this.#compared(index) : this.#explained(index));
    });
    this.#field.addEventListener('change', () => {
      const text = this.#field.value.trim();
      this.#field.value = '';
      if (text) onChoose(text);
    });
  }

  /** The classes that can be typed; with few of them all are in the list anyway. */
  setLabels(labels: readonly string[]): void {
    this.#labels = labels;
    this.#other.hidden = labels.length <= 5;
    this.#field.value = '';
    this.#names.replaceChildren(...labels.map((value) => make('option', { value })));
  }

  /** The target that a click on a class makes: with a second class it stays, and the two change places where the second is clicked. */
  #explained(index: number): string {
    const { for: first = index, against } = this.#chosen ?? {};
    if (against === undefined) return String(index);
    return `${index}/${index === against ? first : against}`;
  }

  #compared(index: number): string {
    const { for: first = 0, against } = this.#chosen ?? {};
    return against === index ? String(first) : `${first}/${index}`;
  }

  /** The five most probable classes, and the chosen ones wherever they are. */
  show({ predictions, probabilities }: Explanation, chosen: Chosen | undefined, shared: boolean): void {
    this.#chosen = chosen ?? { for: predictions[0].index };
    const listed = new Set(predictions.map(({ index }) => index));
    const more = [this.#chosen.for, this.#chosen.against].filter((index) => index !== undefined && !listed.has(index));
    const predicted = (index: number) => ({ index, label: this.#labels[index], probability: probabilities[index] });
    const rows = [...predictions, ...(more as number[]).map(predicted)];
    const focused = (document.activeElement as HTMLElement | null)?.closest<HTMLButtonElement>('#predictions button');
    this.#list.replaceChildren(...rows.map((row) => this.#row(row)));
    if (focused)
      this.#list.querySelector<HTMLButtonElement>(`button.${focused.className}[value="${focused.value}"]`)?.focus();
    this.#weak.textContent = weakness(
      [this.#chosen.for, this.#chosen.against].filter((index) => index !== undefined).map(predicted),
      shared,
    );
  }

  #row({ index, label, probability }: Prediction): HTMLLIElement {
    const { for: first, against } = this.#chosen!;
    const name = label.replaceAll('_', ' ');
    const bar = make('span', { className: 'bar' });
    bar.style.width = `${100 * probability}%`;
    const explain = make(
      'button',
      { type: 'button', value: String(index), className: 'explain' },
      bar,
      make('span', { textContent: name }),
      make('span', { textContent: probability.toFixed(3) }),
    );
    explain.setAttribute('aria-pressed', String(index === first));
    const title = `Compare with ${name}`;
    const versus = make('button', {
      type: 'button',
      value: String(index),
      className: 'versus',
      textContent: 'vs',
      title,
    });
    versus.setAttribute('aria-label', `vs ${name}`);
    versus.setAttribute('aria-pressed', String(index === against));
    versus.disabled = index === first;
    return make('li', {}, explain, versus);
  }
}

/** The numbers of a target's classes; undefined for `top`, and for what the network does not have. */
export function chosenOf(labels: readonly string[], target: string): Chosen | undefined {
  const whole = indexOf(labels, target);
  if (whole !== undefined) return { for: whole };
  const parts = classesOf(target);
  const [first, against] = [parts.for, parts.against].map((text) =>
    text === undefined ? undefined : indexOf(labels, text),
  );
  return first === undefined || against === undefined ? undefined : { for: first, against };
}

function indexOf(labels: readonly string[], text: string): number | undefined {
  if (/^\d+$/.test(text)) return Number(text) < labels.length ? Number(text) : undefined;
  const plain = (name: string) => name.trim().toLowerCase().replaceAll('_', ' ');
  const found = labels.findIndex((label) => plain(label) === plain(text));
  return found < 0 ? undefined : found;
}

/** What to say of classes that the network hardly sees; nothing where it does. */
function weakness(classes: readonly Prediction[], shared: boolean): string {
  const weak = classes.filter(({ probability }) => probability < WEAK);
  if (weak.length === 0) return '';
  const said = weak.map(({ label, probability }) => `${label.replaceAll('_', ' ')} ${percent(probability)}`);
  const colours = shared ? '' : ': the strongest colour stands for weak evidence';
  return `The network gives ${said.join(' and ')} only${colours}.`;
}

const percent = (share: number): string => (share < 0.001 ? 'less than 0.1 %' : `${(100 * share).toFixed(1)} %`);
