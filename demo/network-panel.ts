import type { Preprocessing } from '../src/base/types.js';
import type { WorkerNetwork } from '../src/worker.js';
import { element, fillSelect, make } from './dom.js';
import type { Stated } from './session.js';

/** What can be stated of the pictures that a network takes; the first choice is what the file says or was assumed. */
const CHOICES = {
  normalization: ['tf', 'torch', 'caffe', 'unit', 'raw'],
  fit: ['squash', 'crop'],
  resize: ['nearest', 'bilinear', 'bicubic', 'lanczos'],
} as const satisfies { [Name in keyof Preprocessing]: readonly string[] };
type Name = keyof typeof CHOICES;
const NAMES = Object.keys(CHOICES) as Name[];

/** What is known of the network, what was assumed of it, and the controls that change it. */
export class NetworkPanel {
  readonly #facts = element('network-facts', HTMLElement);
  readonly #assumptions = element('assumptions', HTMLUListElement);
  readonly #details = element('stated', HTMLDetailsElement);
  #stated: Stated = {};

  /** @param onState takes what the visitor states: the network is then loaded again */
  constructor(onState: (stated: Stated) => void) {
    for (const name of NAMES)
      element(name, HTMLSelectElement).addEventListener('change', ({ target }) => {
        const { [name]: _, ...rest } = this.#stated.preprocessing ?? {};
        const { value } = target as HTMLSelectElement;
        onState({ ...this.#stated, preprocessing: value ? { ...rest, [name]: value } : rest });
      });
  }

  show(network: WorkerNetwork, stated: Stated, included: boolean): void {
    this.#stated = stated;
    this.#facts.textContent = describeNetwork(network);
    this.#assumptions.replaceChildren(
      ...network.assumptions.map((text) => make('li', { textContent: withoutFlags(text) })),
    );
    this.#details.hidden = included;
    this.#details.open ||= network.assumptions.length > 0;
    for (const name of NAMES) {
      const select = element(name, HTMLSelectElement);
      const { [name]: own } = network.preprocessing;
      const given = stated.preprocessing?.[name];
      const said = typeof own === 'string' ? own : 'its own numbers';
      fillSelect(select, [
        ['', given ? 'as the file has it' : `${said} (${network.preprocessingAssumed ? 'assumed' : 'of the network'})`],
        ...CHOICES[name].map((value) => [value, value] as const),
      ]);
      select.value = typeof given === 'string' ? given : '';
    }
  }
}

/** One line about a loaded network. */
function describeNetwork({ parameters, inputShape, labels, kernels, threads, family }: WorkerNetwork): string {
  const [rows, columns] = inputShape;
  const parts = [
    family,
    `${parameters.toLocaleString('en')} parameters`,
    `${labels.length} classes`,
    `${rows} × ${columns} pixels`,
    `${kernels === 'relaxed' ? 'relaxed SIMD' : 'SIMD'}, ${threads === 1 ? 'one thread' : `${threads} threads`}`,
  ];
  return parts.filter(Boolean).join(' · ');
}

/** Sentences, but for those that name options of the command: here there are controls. */
const withoutFlags = (text: string): string =>
  text
    .split(/(?<=\.)\s+/)
    .filter((sentence) => !/\s--\w/.test(sentence))
    .join(' ')
    .replace(/[^.!?]$/, '$&.');

/** Why there is one thread only, where that could be otherwise. */
export function describeThreads(): string {
  const why = (reason: string) => `Computing on one thread, because ${reason}; the results are the same.`;
  if (!crossOriginIsolated) return `${why('the server sends no COOP and COEP headers')} “atrous-cam serve” sends them.`;
  return typeof SharedArrayBuffer === 'undefined' ? why('this browser shares no memory between threads') : '';
}
