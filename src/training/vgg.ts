import { AtrousCamError } from '../base/errors.js';
import type { DegriddingLayer, Topology } from '../graph/topology.js';
import { areDegriddingRates, DEGRIDDING_RATES, degriddingName } from '../weights/degridding.js';

/** What a network is made of. */
export interface Architecture {
  /** Channels of the convolutions of each of the five blocks: multiples of 4. */
  readonly widths: readonly number[];
  /** Convolutions of each block. */
  readonly convs: readonly number[];
  /** Rates of degridding layers behind the last block, falling to 1 in DRN: convolutions of its width. `dilated` only. */
  readonly degriddingLayers?: readonly number[];
  /** Units of the hidden dense layers. */
  readonly dense: readonly number[];
}

/** Blocks that the modes' rates 1, 2, 4, 8, 16 are made for. */
const BLOCKS = 5;

/** VGG16's arrangement in any widths. Throws BAD_ARGUMENT for what cannot be built. */
export function buildTopology(
  { widths, convs, degriddingLayers: rates, dense }: Architecture,
  inputSize: number,
  classes: number,
): Topology {
  const whole = (values: readonly number[], least: number) => values.every((v) => Number.isInteger(v) && v >= least);
  if (widths.length !== BLOCKS || !whole(widths, 4) || widths.some((width) => width % 4 !== 0))
    throw wrong('widths', `${BLOCKS} multiples of 4, one a block`, widths);
  if (convs.length !== BLOCKS || !whole(convs, 1)) throw wrong('convs', `${BLOCKS} whole numbers, one a block`, convs);
  if (!whole(dense, 1)) throw wrong('dense', 'whole numbers from 1 on', dense);
  if (rates && !areDegriddingRates(rates))
    throw wrong('degriddingLayers', `rates of ${DEGRIDDING_RATES.join(', ')}`, rates);
  const step = 2 ** BLOCKS;
  if (!(inputSize >= step && inputSize % step === 0 && inputSize <= 4096))
    throw wrong('input size', `a multiple of ${step} up to 4096`, [inputSize]);
  let channels = 3;
  const blocks = widths.map((cout, block) =>
    Array.from({ length: convs[block] }, (_, i) => {
      const layer = { name: `block${block + 1}_conv${i + 1}`, block, cin: channels, cout };
      channels = cout;
      return layer;
    }),
  );
  const degridding = rates?.map(
    (rate, i): DegriddingLayer => ({ name: degriddingName(i), block: BLOCKS - 1, cin: channels, cout: channels, rate }),
  );
  let inputs = (inputSize / step) ** 2 * channels;
  const layers = [...dense, classes].map((out, i) => {
    const layer = { name: i === dense.length ? 'predictions' : `fc${i + 1}`, in: inputs, out };
    inputs = out;
    return layer;
  });
  return { inputSize, blocks, ...(degridding && { degridding }), dense: layers };
}

const wrong = (name: string, expected: string, got: readonly number[]) =>
  new AtrousCamError('BAD_ARGUMENT', `${name}: expected ${expected}, got ${got.join(',')}`);
