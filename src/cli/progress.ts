import { fitText, textWidth } from './terminal-text.js';

/** A time span for people: `8 s`, `3 min 20 s`, `2 h 5 min`. `seconds` >= 0. */
export function formatDuration(seconds: number): string {
  const s = Math.ceil(seconds);
  if (s < 60) return `${s} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min ${s % 60} s`;
  return `${Math.floor(s / 3600)} h ${Math.floor((s % 3600) / 60)} min`;
}

/**
 * Milliseconds until the first of the lines that stand for the bar where there is no terminal, such as in the log of a job, and the
 * longest time between two; each wait is twice the one before.
 */
const LOG_INTERVALS = { first: 10_000, longest: 60_000 };

/** Milliseconds between two drawings of the bar. */
const FRAME = 125;

/** The share of the work below which a rate would say nothing of the time left. */
const TELLING = 0.01;

/** Widths of the bar, tried in this order; the name gives way to the narrowest, not to none. */
const BARS = [24, 12, 6, 0];
/** What a bar leaves of the name at least. */
const NAME = 16;

/** What a progress line says. */
export interface ProgressLine {
  task: string;
  /** 0..1 */
  share: number;
  /** `1.20 pictures/s`, or nothing. */
  speed: string;
  /** `3 min 20 s left`, or nothing. */
  left: string;
}

/**
 * The bar's line: `task [====----] 45% 1.20 pictures/s, 8 s left`, no wider than `width` columns. Where there is no room the bar gets
 * shorter, then the rate goes, then the middle of the name; percentage and time left stay.
 */
export function progressLine({ task, share, speed, left }: ProgressLine, width: number): string {
  const percent = `${Math.floor(100 * share)}%`;
  const tails = [[speed, left].filter(Boolean).join(', '), left].map((rest) => (rest ? `${percent} ${rest}` : percent));
  const wanted = Math.min(textWidth(task), NAME);
  for (const tail of tails)
    for (const size of BARS) {
      const rest = size > 0 ? ` [${bar(size, share)}] ${tail}` : ` ${tail}`;
      const room = width - rest.length;
      if (room >= textWidth(task) || (size < BARS[0] && room >= wanted)) return fitText(task, room) + rest;
    }
  const [, tail] = tails;
  const room = width - tail.length - 1;
  return room > 0 ? `${fitText(task, room)} ${tail}` : tail.slice(0, width);
}

function bar(size: number, share: number): string {
  const full = Math.round(size * share);
  return '='.repeat(full) + '-'.repeat(size - full);
}

/**
 * A bar on a terminal with rate and time left; where the stream is no terminal, a line now and then. The bar vanishes before anything
 * else is written (`hide`) and comes back with the next `update`.
 */
export class ProgressBar {
  /** Shows nothing at all. */
  quiet = false;
  private shown = false;
  private drawn = 0;
  private task = '';
  private total = 1;
  private unit = '';
  private began = 0;
  private logged = 0;
  private interval = LOG_INTERVALS.first;

  constructor(private readonly stream: NodeJS.WritableStream & { isTTY?: boolean; columns?: number }) {}

  /** Begins a new bar: `total` in `unit`s; the rate is counted from now on. Without a unit no rate is shown. */
  begin(total: number, unit = ''): void {
    this.hide();
    this.total = total;
    this.unit = unit;
    this.began = Date.now();
    this.logged = this.began;
    this.interval = LOG_INTERVALS.first;
  }

  /** Shows `task` and how much of the total is done. */
  update(task: string, done: number): void {
    if (this.quiet) return;
    const now = Date.now();
    if (this.stream.isTTY) {
      if (this.shown && task === this.task && now - this.drawn < FRAME) return;
      this.shown = true;
      this.task = task;
      this.drawn = now;
      const width = (this.stream.columns || 80) - 1; // a full line would wrap on some terminals
      this.stream.write(`\r\x1b[2K${progressLine(this.lineOf(task, done, now), width)}`);
      return;
    }
    if (now - this.logged < this.interval) return;
    this.logged = now;
    this.interval = Math.min(2 * this.interval, LOG_INTERVALS.longest);
    const { share, speed, left } = this.lineOf(task, done, now);
    const parts = [`${Math.floor(100 * share)}%`, speed, left].filter(Boolean).join(', ');
    this.stream.write(`atrous-cam: ${fitText(task, 200)}, ${parts}\n`);
  }

  /** Clears the bar's line. */
  hide(): void {
    if (this.shown) this.stream.write('\r\x1b[2K');
    this.shown = false;
  }

  private lineOf(task: string, done: number, now: number): ProgressLine {
    const share = this.total > 0 ? Math.min(1, done / this.total) : 1;
    const seconds = (now - this.began) / 1000;
    if (share < TELLING || seconds <= 0.2) return { task, share, speed: '', left: '' };
    const rate = done / seconds;
    return {
      task,
      share,
      speed: this.unit && `${rate.toPrecision(3)} ${this.unit}/s`,
      left: `${formatDuration((this.total - done) / rate)} left`,
    };
  }
}
