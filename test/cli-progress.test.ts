import { PassThrough } from 'node:stream';
import { afterEach, expect, test, vi } from 'vitest';
import { ProgressBar, progressLine } from '../src/cli/progress.js';
import { fitText, textWidth } from '../src/cli/terminal-text.js';
import { text } from './support/fake-command.js';

afterEach(() => vi.useRealTimers());

const line = {
  task: '112/500 leonberger_abyssinian.jpg',
  share: 0.2231,
  speed: '1.20 pictures/s',
  left: '5 min 20 s left',
};

test.each([
  [120, '112/500 leonberger_abyssinian.jpg [=====-------------------] 22% 1.20 pictures/s, 5 min 20 s left'],
  [80, '112/500 leon...byssinian.jpg [===---------] 22% 1.20 pictures/s, 5 min 20 s left'],
  [60, '112/500 le...sinian.jpg 22% 1.20 pictures/s, 5 min 20 s left'],
  [40, '112/500 ...inian.jpg 22% 5 min 20 s left'],
  [30, '112....jpg 22% 5 min 20 s left'],
  [12, '22% 5 min 20'],
])('%i columns', (width, expected) => {
  expect(progressLine(line, width)).toBe(expected);
  for (let w = 1; w < 130; w++) expect(textWidth(progressLine(line, w)), String(w)).toBeLessThanOrEqual(w);
});

test('wide characters take two columns, marks none, and what drives a terminal is shown as ?', () => {
  expect(textWidth('犬.jpg')).toBe(6);
  expect(textWidth('e\u0301')).toBe(1);
  expect(fitText('写真写真写真.jpg', 10)).toBe('写....jpg');
  expect(fitText('a\n\x1b[31mb\u202e', 20)).toBe('a??[31mb?');
});

test('the time left is told only when there is something to tell it by', () => {
  vi.useFakeTimers();
  const stream = Object.assign(new PassThrough({ highWaterMark: 1e7 }), { isTTY: true, columns: 100 });
  const bar = new ProgressBar(stream);
  bar.begin(500, 'pictures');
  vi.advanceTimersByTime(30_000);
  bar.update('first', 0.01);
  expect(text(stream)).toMatch(/first \[-{24}\] 0%$/);
  vi.advanceTimersByTime(30_000);
  bar.update('tenth', 10);
  expect(text(stream)).toMatch(/tenth \[-{24}\] 2% 0.167 pictures\/s, 49 min 0 s left$/);
  bar.hide();
  expect(text(stream)).toBe('\r\x1b[2K');
});

test('without a terminal it is a line now and then', () => {
  vi.useFakeTimers();
  const stream = new PassThrough({ highWaterMark: 1e7 });
  const bar = new ProgressBar(stream);
  bar.begin(500, 'pictures');
  for (let second = 1; second <= 200; second++) {
    vi.advanceTimersByTime(1000);
    bar.update(`${second}/500 x.jpg`, second);
  }
  expect(text(stream).trimEnd().split('\n')).toEqual(
    [10, 30, 70, 130, 190].map((s) =>
      expect.stringMatching(new RegExp(`^atrous-cam: ${s}/500 x.jpg, ${Math.floor(s / 5)}%, 1.00 pictures/s, `)),
    ),
  );
});
