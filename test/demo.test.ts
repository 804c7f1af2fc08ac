import { describe, expect, it } from 'vitest';
import { describeError, formatBytes, PageError } from '../demo/messages.js';
import { METHODS } from '../demo/methods.js';
import { DEFAULTS, explainOptions, formatAddress, modesOf, parseAddress } from '../demo/settings.js';
import { AtrousCamError } from '../src/base/errors.js';
import { methodNames } from '../src/methods/facts.js';

describe('the settings of the page', () => {
  it('are in the address where they differ from the defaults', () => {
    expect(formatAddress(DEFAULTS)).toBe('');
    expect(parseAddress('')).toEqual(DEFAULTS);
    const settings = { ...DEFAULTS, target: 'tiger cat & co', left: 'original', method: 'gradcam++', opacity: '30' };
    expect(formatAddress(settings)).toBe('#target=tiger+cat+%26+co&left=original&method=gradcam%2B%2B&opacity=30');
    expect(parseAddress(formatAddress(settings))).toEqual(settings);
    expect(parseAddress('#nothing=1&left=dilated')).toEqual({ ...DEFAULTS, left: 'dilated' });
  });

  it('are what the library is asked for', () => {
    expect(modesOf({ ...DEFAULTS, left: 'dilated', right: 'atrous' })).toEqual(['pooled', 'atrous', 'dilated']);
    expect(modesOf({ ...DEFAULTS, left: 'original', right: 'original' })).toEqual(['pooled']);
    const settings = { ...DEFAULTS, target: '7', layer: 'block4_conv3', stride: '4', heads: 'mean', smoothing: 'none' };
    const common = {
      target: 7,
      method: 'gradcam',
      score: 'logit',
      sign: 'positive',
      layer: 'block4_conv3',
      smoothing: 'none',
    };
    expect(explainOptions(settings, 'pooled')).toEqual({ ...common, mode: 'pooled' });
    expect(explainOptions(settings, 'atrous')).toEqual({ ...common, mode: 'atrous', outputStride: 4, heads: 'mean' });
    const shift = { ...settings, smoothing: 'shift' }; // which only dilated has
    expect(explainOptions(shift, 'pooled').smoothing).toBeUndefined();
    expect(explainOptions(shift, 'dilated').smoothing).toBe('shift');
  });
});

it('the page has words for every method', () => {
  expect(Object.keys(METHODS).sort()).toEqual([...methodNames].sort());
});

describe('what goes wrong, in words', () => {
  it.each([
    [
      new AtrousCamError('BAD_IMAGE', 'image "notes.txt": expected a PNG or JPEG file'),
      'This picture cannot be read',
      'notes.txt: expected a PNG or JPEG file. Try a PNG or JPEG file.',
    ],
    [
      new AtrousCamError('OUT_OF_MEMORY', 'memory: 3 GB are needed'),
      'Not enough memory',
      'memory: 3 GB are needed. Close other tabs, or choose a smaller network or photograph.',
    ],
    [new PageError('TOO_LARGE', 'a.png: 300 MB'), 'This file is too large', 'a.png: 300 MB.'],
    ['odd', 'Something went wrong', 'odd.'],
  ])('%s', (error, heading, text) => {
    expect(describeError(error)).toEqual({ heading, text });
  });

  it('sizes', () => {
    expect([formatBytes(1_340_000), formatBytes(553_000_000)]).toEqual(['1.3 MB', '553 MB']);
  });
});
