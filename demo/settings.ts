import type { ExplainOptions } from '../src/api.js';
import type { Mode } from '../src/base/types.js';
import { colormapNames } from '../src/map/overlay.js';
import { METHODS, type MethodName, methodNames } from '../src/methods/facts.js';

/**
 * What a side shows: the photograph; the map as other tools draw it (pooled, enlarged as if its cells tiled the picture); this library's
 * best one, which sharpens by itself; or one mode.
 */
export type View = 'original' | 'usual' | 'sharp' | Mode;
export const VIEWS = ['original', 'usual', 'sharp', 'pooled', 'dilated', 'atrous'] as const satisfies readonly View[];
/** The views in words. */
export const VIEW_NAMES: Readonly<Record<View, string>> = {
  original: 'photo',
  usual: 'usual',
  sharp: 'sharp',
  pooled: 'pooled',
  dilated: 'dilated',
  atrous: 'atrous',
};

/** Everything that the visitor can choose; all of it is text, as it stands in the form and in the address bar. */
export interface Settings {
  /** A sample's name; `own` for a photograph that only this browser has. */
  photo: string;
  /** An included network's name, or a kept weight file's. */
  network: string;
  /** A label or number, two as `A/B`, `top`; empty: what the sample is about, else `top`. */
  target: string;
  left: string;
  right: string;
  /** How far `sharp` goes by itself: empty, or `most`. */
  detail: string;
  method: string;
  layer: string;
  heads: string;
  score: string;
  stride: string;
  align: string;
  smoothing: string;
  /** Empty: in two colours where two classes are compared, else what speaks for the class. */
  sign: string;
  /** `own`: each map by its own strongest point; `shared`: by that of all listed classes. */
  scale: string;
  /** Empty: as the sign has it. */
  colormap: string;
  opacity: string;
}

/** The networks that the page has in itself: their names in the address, what `load` calls them, and in words. */
export const INCLUDED = [
  { name: 'imagenet', source: 'imagenet', title: 'ImageNet' },
  { name: 'cats-and-dogs', source: undefined, title: 'Cats and dogs' },
] as const;
export const isIncluded = (network: string): boolean => INCLUDED.some(({ name }) => name === network);

export const DEFAULTS: Settings = {
  photo: 'bengal_pug',
  network: 'imagenet',
  target: '',
  left: 'usual',
  right: 'sharp',
  detail: '',
  method: 'gradcam',
  layer: '',
  heads: '',
  score: 'logit',
  stride: '',
  align: 'centres',
  smoothing: '',
  sign: '',
  scale: 'own',
  colormap: '',
  opacity: '75',
};
const NAMES = Object.keys(DEFAULTS) as (keyof Settings)[];

const isNumber = (least: number, most: number) => (value: string) =>
  /^\d+$/.test(value) && Number(value) >= least && Number(value) <= most;
const isOneOf =
  (...values: readonly string[]) =>
  (value: string) =>
    values.includes(value);
const any = () => true;

/** What each setting may be; photographs, networks, targets and layers are looked for where they are used. */
const VALID: Readonly<Record<keyof Settings, (value: string) => boolean>> = {
  photo: any,
  network: any,
  target: any,
  left: isOneOf(...VIEWS),
  right: isOneOf(...VIEWS),
  detail: isOneOf('', 'most'),
  method: isOneOf(...methodNames),
  layer: any,
  heads: isOneOf('', 'one', 'each', 'mean'),
  score: isOneOf('logit', 'probability'),
  stride: (value) => value === '' || isNumber(1, 64)(value),
  align: isOneOf('centres', 'evidence', 'cells'),
  smoothing: isOneOf('', 'none', 'box', 'phases', 'gaussian', 'shift'),
  sign: isOneOf('', 'positive', 'negative', 'absolute', 'signed'),
  scale: isOneOf('own', 'shared'),
  colormap: isOneOf('', ...colormapNames),
  opacity: isNumber(0, 100),
};

/** The settings in the part of an address behind `#`; what is missing there, or cannot be, has its default. */
export function parseAddress(hash: string): Settings {
  const parameters = new URLSearchParams(hash.replace(/^#/, ''));
  const valid = (name: keyof Settings) => {
    const value = parameters.get(name) ?? DEFAULTS[name];
    return VALID[name](value) ? value : DEFAULTS[name];
  };
  return Object.fromEntries(NAMES.map((name) => [name, valid(name)])) as unknown as Settings;
}

/** What differs from the defaults, as the part of an address from `#` on; empty where nothing does. */
export function formatAddress(settings: Settings): string {
  const parameters = new URLSearchParams();
  for (const name of NAMES) if (settings[name] !== DEFAULTS[name]) parameters.set(name, settings[name]);
  return parameters.size > 0 ? `#${parameters}` : '';
}

/** The two classes of a target `A/B`; one class has no second. */
export function classesOf(target: string): { for: string; against?: string } {
  const [first, second] = target.split('/');
  return second === undefined ? { for: first } : { for: first, against: second };
}

/** A class as a call takes it: its number, or its label. */
const classOption = (text: string): number | string => (/^\d+$/.test(text) ? Number(text) : text);

/** How a step towards a sharper map is computed. */
export interface Step {
  readonly mode: Mode;
  readonly zoom?: readonly number[];
  readonly outputStride?: number;
  /** As other tools do it, whatever the settings are. */
  readonly usual?: boolean;
}

/** Methods that show the same whatever the class. */
const BLIND = ['eigencam', 'kpcacam', 'fem', 'randomcam'];

/** What `explain` is asked for. Empty settings are left to the library's defaults. */
export function explainOptions(settings: Settings, step: Step): ExplainOptions {
  const { target, method, layer, heads, score, align, smoothing, sign } = settings;
  const { mode, zoom, outputStride, usual } = step;
  const pair = classesOf(target);
  const isPair = pair.against !== undefined;
  const placed = usual ? 'cells' : align;
  const smoothed = smoothing && !usual && (mode === 'dilated' || smoothing !== 'shift');
  return {
    mode,
    target: isPair
      ? { for: classOption(pair.for), against: classOption(pair.against!) }
      : classOption(target === '' ? 'top' : target),
    method: method as ExplainOptions['method'],
    score: score as ExplainOptions['score'],
    sign: (sign || (isPair && !BLIND.includes(method) ? 'signed' : 'positive')) as ExplainOptions['sign'],
    ...(layer && { layer }),
    ...(placed !== DEFAULTS.align && { align: placed as ExplainOptions['align'] }),
    ...(zoom && { zoom }),
    // It ranks points as the product does, with a contrast that the eye can follow; of layers the method says how they become one.
    ...(zoom && METHODS[method as MethodName].levels === 1 && { combine: 'geometric-mean' as const }),
    ...(outputStride !== undefined && { outputStride }),
    ...(mode === 'atrous' && heads && { heads: heads as ExplainOptions['heads'] }),
    ...(smoothed && { smoothing: smoothing as ExplainOptions['smoothing'] }),
  };
}
