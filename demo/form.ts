import { colormapNames } from '../src/map/overlay.js';
import { METHODS as FACTS, type MethodFacts, type MethodName } from '../src/methods/facts.js';
import type { WorkerNetwork } from '../src/worker.js';
import { element, fillSelect, make } from './dom.js';
import { formatBytes } from './messages.js';
import { METHODS } from './methods.js';
import { DEFAULTS, INCLUDED, type Settings, VIEW_NAMES, VIEWS, type View } from './settings.js';
import { hasMode, ownStride } from './steps.js';

const form = () => element('settings', HTMLFormElement);
const HEADS = { one: 'one: the network’s own', each: 'each: every phase its own', mean: 'mean over all phases' };

/** The value of the weights' list that stands for a file that is not kept. */
export const UNKEPT = '*';

/** Fills what does not depend on the network. */
export function buildForm(): void {
  for (const side of ['left', 'right'])
    element(`${side}-views`, HTMLElement).replaceChildren(
      ...VIEWS.map((value) =>
        make(
          'label',
          {},
          make('input', { type: 'radio', name: side, value }),
          make('span', { textContent: VIEW_NAMES[value] }),
        ),
      ),
    );
  fillSelect(element('colormap', HTMLSelectElement), [
    ['', 'automatic'],
    ...colormapNames.map((name) => [name, name] as const),
  ]);
  fillSelect(
    element('method', HTMLSelectElement),
    Object.entries(METHODS).map(([name, { title }]) => [name, title]),
  );
}

/** Fills what depends on the network and on the method: views, layers, heads and point spacings that there are. */
export function fitForm(network: WorkerNetwork): void {
  const { layers, inputShape } = network;
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
  const stride = ownStride(network);
  const spacings = [1, 2, 4, 8, 16, 32].filter((spacing) => stride % spacing === 0);
  const [rows, columns] = inputShape;
  fillSelect(element('stride', HTMLSelectElement), [
    ['', 'as fine as is quick'],
    ...spacings.map(
      (spacing) => [String(spacing), `${Math.ceil(rows / spacing)} × ${Math.ceil(columns / spacing)}`] as const,
    ),
  ]);
  for (const input of form().querySelectorAll<HTMLInputElement>('input[type=radio]')) {
    const view = input.value as View;
    input.disabled = (view === 'pooled' || view === 'dilated' || view === 'atrous') && !hasMode(network, view);
  }
}

/** The networks to choose from; `unkept` is a chosen file that this browser does not keep. */
export function listNetworks(kept: readonly { name: string; size: number }[], chosen: string, unkept?: string): void {
  const select = element('network', HTMLSelectElement);
  fillSelect(select, [
    ...INCLUDED.map(({ name, title }) => [name, title] as const),
    ...kept.map(({ name, size }) => [name, `${name} (${formatBytes(size)})`] as const),
    ...(unkept === undefined ? [] : [[UNKEPT, `${unkept} (until you leave)`] as const]),
  ]);
  select.value = chosen;
  element('remove', HTMLButtonElement).hidden = !kept.some(({ name }) => name === chosen);
}

/** What the form's own controls say; photograph, target and detail are chosen elsewhere. */
export function readForm(): Omit<Settings, 'photo' | 'target' | 'detail'> {
  return Object.fromEntries(new FormData(form()) as unknown as Iterable<[string, string]>) as never;
}

/** Shows settings in the form. What a list does not offer becomes its first choice. */
export function writeForm(settings: Settings): void {
  for (const name of Object.keys(DEFAULTS) as (keyof Settings)[]) {
    const control = form().elements.namedItem(name);
    const value = settings[name];
    if (control instanceof RadioNodeList) control.value = value;
    else if (control instanceof HTMLSelectElement) {
      control.value = value;
      if (control.selectedIndex < 0) control.selectedIndex = 0;
    } else if (control instanceof HTMLInputElement && control.name === name) control.value = value;
  }
  element('method-hint', HTMLElement).textContent = METHODS[settings.method as MethodName]?.about ?? '';
}
