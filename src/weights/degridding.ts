import { badWeights, quote } from './source.js';

/** The rates that a degridding layer may have: those of the blocks before it. */
export const DEGRIDDING_RATES = [1, 2, 4, 8, 16];

/** Layers at most: each rate twice. */
const MOST = 10;

export const degriddingName = (i: number): string => `degrid${i + 1}`;

export const areDegriddingRates = (rates: readonly unknown[]): rates is number[] =>
  rates.length > 0 && rates.length <= MOST && rates.every((rate) => DEGRIDDING_RATES.includes(rate as number));

/** The metadata of degridding layers: `{"degrid1":8,"degrid2":4}`. Throws BAD_WEIGHTS. */
export function degriddingRates(json: string | undefined, source: string): number[] | undefined {
  if (json === undefined) return undefined;
  try {
    const entries = Object.entries(JSON.parse(json) as object);
    const rates = entries.map(([, rate]) => rate);
    if (entries.every(([name], i) => name === degriddingName(i)) && areDegriddingRates(rates)) return rates;
  } catch {}
  throw badWeights(
    source,
    `metadata "degrid": expected {"degrid1": rate, ...} with 1 to ${MOST} rates of ${DEGRIDDING_RATES.join(', ')}, got ${quote(json)}`,
  );
}

/** The metadata that `degriddingRates` reads. */
export const degriddingMetadata = (layers: readonly { readonly rate: number }[]): string =>
  JSON.stringify(Object.fromEntries(layers.map(({ rate }, i) => [degriddingName(i), rate])));
