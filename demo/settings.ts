import type { ExplainOptions } from '../src/api.js';
import type { Mode } from '../src/base/types.js';

export type View = 'original' | Mode;
export const VIEWS: readonly View[] = ['original', 'pooled', 'dilated', 'atrous'];

/** Everything that the visitor can choose; all of it is text, as it stands in the form and in the address bar. */
export interface Settings {
  /** A sample's name; `own` for a photograph that only this browser has. */
  photo: string;
  /** A kept weight file's name; empty for the included network. */
  network: string;
  target: string;
  left: string;
  right: string;
  method: string;
  layer: string;
  heads: string;
  score: string;
  stride: string;
  align: string;
  smoothing: string;
  sign: string;
  colormap: string;
  opacity: string;
}

export const DEFAULTS: Settings = {
  photo: 'leonberger_abyssinian',
  network: '',
  target: 'top',
  left: 'pooled',
  right: 'atrous',
  method: 'gradcam',
  layer: '',
  heads: '',
  score: 'logit',
  stride: '1',
  align: 'centres',
  smoothing: '',
  sign: 'positive',
  colormap: 'turbo',
  opacity: '55',
};
const NAMES = Object.keys(DEFAULTS) as (keyof Settings)[];

/** The settings in the part of an address behind `#`; what is missing there has its default. */
export function parseAddress(hash: string): Settings {
  const parameters = new URLSearchParams(hash.replace(/^#/, ''));
  return Object.fromEntries(NAMES.map((name) => [name, parameters.get(name) ?? DEFAULTS[name]])) as unknown as Settings;
}

/** What differs from the defaults, as the part of an address from `#` on; empty where nothing does. */
export function formatAddress(settings: Settings): string {
  const parameters = new URLSearchParams();
  for (const name of NAMES) if (settings[name] !== DEFAULTS[name]) parameters.set(name, settings[name]);
  return parameters.size > 0 ? `#${parameters}` : '';
}

/** The modes that the two sides of the picture show. `pooled` is always among them: it is quick, and its predictions are the network's. */
export function modesOf({ left, right }: Settings): Mode[] {
  const wanted = new Set<string>(['pooled', left, right]);
  return (['pooled', 'atrous', 'dilated'] as const).filter((mode) => wanted.has(mode));
}

/** What `explain` is asked for. Empty settings are left to the library's defaults. */
export function explainOptions(settings: Settings, mode: Mode): ExplainOptions {
  const { target, method, layer, heads, score, stride, align, smoothing, sign } = settings;
  return {
    mode,
    target: /^\d+$/.test(target) ? Number(target) : target,
    method: method as ExplainOptions['method'],
    score: score as ExplainOptions['score'],
    sign: sign as ExplainOptions['sign'],
    ...(layer && { layer }),
    ...(align !== DEFAULTS.align && { align: align as ExplainOptions['align'] }),
    ...(mode === 'atrous' && { outputStride: Number(stride) }),
    ...(mode === 'atrous' && heads && { heads: heads as ExplainOptions['heads'] }),
    ...(smoothing &&
      (mode === 'dilated' || smoothing !== 'shift') && { smoothing: smoothing as ExplainOptions['smoothing'] }),
  };
}
