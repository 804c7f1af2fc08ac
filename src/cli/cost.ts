import type { ExplainOptions, Network } from '../api.js';
import type { Mode } from '../base/types.js';
import { type Context, UsageError } from './context.js';
import { type ExplainFlags, modesOf } from './options.js';
import { formatDuration } from './progress.js';

/**
 * The library's options for a mode, or for the one that it chooses. heads and outputStride matter in atrous only, but what is refused is
 * refused before any work.
 */
export function explainOptions(mode: Mode | undefined, flags: Omit<ExplainFlags, 'mode'>): ExplainOptions {
  const { target, method, layer, combine, score, heads, outputStride, align, zoom, smoothing, sign } = flags;
  const { augSmooth, eigenSmooth, seed } = flags;
  return {
    mode,
    target,
    method,
    layer,
    combine,
    score,
    heads,
    ...((!mode || mode === 'atrous') && { outputStride }),
    align,
    zoom,
    smoothing,
    sign,
    augSmooth,
    eigenSmooth,
    seed,
  };
}

/** Of one colour, to measure the pace with. */
const GREY = { width: 64, height: 64, data: new Uint8Array(3 * 64 * 64).fill(128) };

/** Seconds a picture may take without being asked for. */
const LONG = 600;

/**
 * Refuses a call that would take long: by a careful guess, and where that is too much by the pace that a prediction shows.
 */
export async function confirmCost(
  network: Network,
  pictures: readonly { file: string }[],
  flags: ExplainFlags,
  { signal }: Context,
): Promise<void> {
  const seconds = () => secondsOf(network, flags);
  if (flags.yes || pictures.length === 0 || seconds() <= LONG) return;
  await network.predict(GREY, { signal }); // any picture takes as long
  if (seconds() <= LONG) return;
  const ways = cheaperWays(network, flags).join(' or ');
  const cost = `would take about ${formatDuration(seconds())} a picture (${modesOf(flags).join(', ')})`;
  const cure = `add --yes to compute it all the same${ways && `, or take ${ways}`}`;
  throw new UsageError(`--method ${flags.method}: ${cost}; ${cure}`);
}

/** Estimated seconds of a picture in all its modes. */
const secondsOf = (network: Network, flags: ExplainFlags): number =>
  modesOf(flags).reduce((sum, mode) => sum + network.estimate(explainOptions(mode, flags)).seconds, 0);

/** What would make a call cheaper, each by itself. */
const CHEAPER: Readonly<Record<string, Partial<ExplainFlags>>> = {
  'one --mode': { mode: 'pooled' },
  '--heads one': { heads: 'one' },
  '--smoothing box': { smoothing: 'box' },
  'no --aug-smooth': { augSmooth: false },
};

function cheaperWays(network: Network, flags: ExplainFlags): string[] {
  const now = secondsOf(network, flags);
  const coarse: Partial<ExplainFlags> = modesOf(flags).includes('atrous')
    ? { outputStride: network.plan('pooled').outputStride } // the coarsest there is
    : {};
  const ways: Readonly<Record<string, Partial<ExplainFlags>>> = { ...CHEAPER, 'a larger --output-stride': coarse };
  const changes = Object.entries(ways).filter(([, change]) => flags.mode === 'all' || !change.mode); // not all have each mode
  return changes.filter(([, change]) => secondsOf(network, { ...flags, ...change }) < now).map(([way]) => way);
}
