import { colormapNames } from '../src/map/overlay.js';
import { METHODS as FACTS, type MethodFacts, type MethodName } from '../src/methods/facts.js';
import type { WorkerNetwork } from '../src/worker.js';
import { element, fillSelect, make } from './dom.js';
import { formatBytes } from './messages.js';
import { METHODS } from './methods.js';
import { SAMPLES, type Sample } from './photo.js';
import { type Settings, VIEWS } from './settings.js';

const form = () => element('settings', HTMLFormElement);
const HEADS = { one: 'one: the network’s own', each: 'each: every phase its own', mean: 'mean over all phases' };

/** The value of the weights' list that stands for a file that is not kept. */
export const UNKEPT = '*';
/** The included network of ImageNet's classes. */
export const IMAGENET = 'imagenet';

/** Fills what does not depend on the network. */
export function buildForm(): void {
  for (const side of ['left', 'right'])
    element(`${side}-views`, HTMLElement).replaceChildren(
      ...VIEWS.map((value) =>
        make('label', {}, make('input', { type: 'radio', name: side, value }), make('span', { textContent: value })),
      ),
    );
  fillSelect(
    element('colormap', HTMLSelectElement),
    colormapNames.map((name) => [name, name]),
  );
  fillSelect(
    element('method', HTMLSelectElement),
    Object.entries(METHODS).map(([name, { title }]) => [name, title]),
  );
  element('samples', HTMLElement).append(...SAMPLES.map(sampleButton));
}

function sampleButton({ name, title, thumbnail }: Sample): HTMLButtonElement {
  return make(
    'button',
    { type: 'button', value: name },
    make('img', { src: thumbnail, alt: title, width: 104, height: 69 }),
  );
}

/** Fills what depends on the network and on the method: the layers, the heads and the point spacings that there are. */
export function fitForm({ layers, inputSize }: WorkerNetwork): void {
  const facts: MethodFacts = FACTS[element('method', HTMLSelectElement).value as MethodName];
  const layer = element('layer', HTMLSelectElement);
  fillSelect(layer, [
    ['', facts.layers ? 'as the method has it' : 'the picture itself'],
    ...(facts.layers ? [...layers].reverse() : []).map((name) => [name, name.replaceAll('_', ' ')] as const),
  ]);
  const inner = facts.at === 'input' || facts.levels > 1 || !['', layers.at(-1)].includes(layer.value);
  fillSelect(element('heads', HTMLSelectElement), [
    ['', 'as the method has it'],
    ...(inner ? facts.heads.inner : facts.heads.last).map((heads) => [heads, HEADS[heads]] as const),
  ]);
  const spacings = [1, 2, 4, 8, 16].filter((stride) => inputSize % (2 * stride) === 0);
  fillSelect(
    element('stride', HTMLSelectElement),
    spacings.map((stride) => [String(stride), `${inputSize / stride} × ${inputSize / stride}`]),
  );
}

/** The networks to choose from; `unkept` is a chosen file that this browser does not keep. */
export function listNetworks(kept: readonly { name: string; size: number }[], chosen: string, unkept?: string): void {
  const select = element('network', HTMLSelectElement);
  fillSelect(select, [
    ['', 'Cats and dogs (included)'],
    [IMAGENET, 'ImageNet, 1000 classes (included)'],
    ...kept.map(({ name, size }) => [name, `${name} (${formatBytes(size)})`] as const),
    ...(unkept === undefined ? [] : [[UNKEPT, `${unkept} (until you leave)`] as const]),
  ]);
  select.value = chosen;
  element('remove', HTMLButtonElement).hidden = !kept.some(({ name }) => name === chosen);
}

/** What the form's own controls say; photograph and target are chosen elsewhere. */
export function readForm(): Omit<Settings, 'photo' | 'target'> {
  return Object.fromEntries(new FormData(form()) as unknown as Iterable<[string, string]>) as never;
}

/** Shows settings in the form. What a list does not offer becomes its first choice. */
export function writeForm(settings: Settings): void {
  for (const [name, value] of Object.entries(settings)) {
    const control = form().elements.namedItem(name);
    if (control instanceof RadioNodeList) control.value = value;
    else if (control instanceof HTMLSelectElement) {
      control.value = value;
      if (control.selectedIndex < 0) control.selectedIndex = 0;
    } else if (control instanceof HTMLInputElement) control.value = value;
  }
  showSample(settings.photo);
  element('method-hint', HTMLElement).textContent = METHODS[settings.method as MethodName]?.about ?? '';
}

/** Marks the sample that is shown, if it is one. */
function showSample(name: string): void {
  for (const button of element('samples', HTMLElement).querySelectorAll('button'))
    button.setAttribute('aria-pressed', String(button.value === name));
}
