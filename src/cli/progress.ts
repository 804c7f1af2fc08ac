import cliProgress from 'cli-progress';

const FORMAT = '{task} [{bar}] {percentage}%{rest}';

/** A time span for people: `8 s`, `3 min 20 s`, `2 h 5 min`. `seconds` >= 0. */
export function formatDuration(seconds: number): string {
  const s = Math.ceil(seconds);
  if (s < 60) return `${s} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min ${s % 60} s`;
  return `${Math.floor(s / 3600)} h ${Math.floor((s % 3600) / 60)} min`;
}

/** Milliseconds between the lines that stand for the bar where there is no terminal, such as in the log of a job. */
const LOG_INTERVAL = 60_000;

/**
 * A bar on a terminal with rate and time left; where the stream is no terminal, a line a minute. The bar vanishes before anything else is
 * written (`hide`) and comes back with the next `update`.
 */
export class ProgressBar {
  private bar: cliProgress.SingleBar | undefined;
  private total = 1;
  private unit = '';
  private began = 0;
  private logged = 0;

  constructor(private readonly stream: NodeJS.WritableStream & { isTTY?: boolean }) {}

  /** Begins a new bar: `total` in `unit`s; the rate is counted from now on. Without a unit no rate is shown. */
  begin(total: number, unit = ''): void {
    this.hide();
    this.total = total;
    this.unit = unit;
    this.began = Date.now();
    this.logged = this.began;
  }

  /** Shows `task` and how much of the total is done. */
  update(task: string, done: number): void {
    if (!this.stream.isTTY && Date.now() - this.logged < LOG_INTERVAL) return;
    const seconds = (Date.now() - this.began) / 1000;
    const rate = done / seconds;
    const left = (this.total - done) / rate;
    const known = done > 0 && seconds > 0.2;
    const speed = this.unit && known ? ` ${rate.toPrecision(3)} ${this.unit}/s,` : '';
    const payload = { task, rest: known ? `${speed} ${formatDuration(left)} left` : '' };
    if (!this.stream.isTTY) {
      this.logged = Date.now();
      this.stream.write(`atrous-cam: ${task}, ${Math.floor((100 * done) / this.total)}%${payload.rest}\n`);
      return;
    }
    if (this.bar) {
      this.bar.update(done, payload);
      return;
    }
    const options = { stream: this.stream, format: FORMAT, clearOnComplete: true, barsize: 24, fps: 8 };
    this.bar = new cliProgress.SingleBar(options);
    this.bar.start(this.total, done, payload);
  }

  /** Clears the bar's line. */
  hide(): void {
    this.bar?.stop();
    this.bar = undefined;
  }
}
