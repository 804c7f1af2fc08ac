import { availableParallelism } from 'node:os';
import type { InspectOptions, LoadOptions, Network, NetworkInfo } from '../api.js';
import { AtrousCamError, type readImage } from '../index.js';
import { readAll } from './input.js';
import { ProgressBar } from './progress.js';
import { printable } from './terminal-text.js';

/** What the command gets from its surroundings; tests bring their own. */
export interface Io {
  stdout: NodeJS.WritableStream & { isTTY?: boolean; columns?: number };
  stderr: NodeJS.WritableStream & { isTTY?: boolean; columns?: number };
  /** Standard input. */
  stdin?: AsyncIterable<Uint8Array>;
  /** Loads a network: the library's `load`. */
  load(source: string | Uint8Array | undefined, options: LoadOptions): Promise<Network>;
  /** Reads a picture: the library's `readImage`. */
  readImage: typeof readImage;
  /** Reads what a weight file says of its network: the library's `inspect`. */
  inspect(source: string | undefined, options: InspectOptions): Promise<NetworkInfo>;
  /** The folder that `serve` serves: dist/demo. */
  page?: string;
  /** Aborted by Ctrl-C. */
  signal?: AbortSignal;
}

/** What a sub-command works with: its output, its progress bar and one signal for every reason to stop. */
export class Context {
  readonly load: Io['load'];
  readonly readImage: Io['readImage'];
  readonly inspect: Io['inspect'];
  readonly page: Io['page'];
  /** Aborted by `Io.signal`, or when nobody reads standard output any more. */
  get signal(): AbortSignal {
    return this.stop.signal;
  }
  readonly progress: ProgressBar;
  /** Why writing to standard output failed, if it did; `EPIPE` where its reader has gone. */
  outputError: NodeJS.ErrnoException | undefined;
  private input: Promise<Uint8Array> | undefined;
  private readonly stop = new AbortController();
  private readonly onInterrupt = () => this.stop.abort();
  private readonly onOutputError = (error: NodeJS.ErrnoException) => {
    this.outputError ??= error;
    this.stop.abort();
  };

  constructor(private readonly io: Io) {
    this.load = async (source, options) => {
      const network = await io.load(source, options);
      if (network.threads === 1 && (options.threads ?? availableParallelism()) > 1)
        this.warn('no threads could be started; one thread computes the same results, more slowly');
      return network;
    };
    this.inspect = (source, options) => io.inspect(source, options);
    this.readImage = io.readImage;
    this.page = io.page;
    this.progress = new ProgressBar(io.stderr);
    io.stdout.on('error', this.onOutputError);
    io.signal?.addEventListener('abort', this.onInterrupt);
    if (io.signal?.aborted) this.stop.abort();
  }

  /** All bytes of standard input, read once. Throws ABORTED, BAD_IMAGE where there are too many. */
  readInput(): Promise<Uint8Array> {
    this.input ??= readAll(this.io.stdin ?? [], this.signal);
    return this.input;
  }

  /** `--quiet`: only errors are said, and what was asked for by an option of its own is printed. */
  set quiet(isQuiet: boolean) {
    this.progress.quiet = isQuiet;
  }

  /** Prints what people read as it goes on; nothing with `--quiet`. */
  async say(text: string): Promise<void> {
    if (!this.progress.quiet) await this.print(text);
  }

  /** Writes to standard output and waits until it is written. */
  async print(text: string | Uint8Array): Promise<void> {
    this.progress.hide();
    const shown = typeof text === 'string' && this.io.stdout.isTTY ? lines(text) : text;
    await new Promise<void>((resolve, reject) => {
      this.io.stdout.write(shown, (error) => {
        if (error) this.onOutputError(error);
        if (error) reject(error);
        else resolve();
      });
    });
  }

  /** Writes one line to standard error: `atrous-cam: message`. */
  complain(message: string): void {
    this.progress.hide();
    this.io.stderr.write(`atrous-cam: ${printable(message.replace(/\s*\n\s*/g, ' '))}\n`);
  }

  /** The same for what is worth knowing though nothing failed; nothing with `--quiet`. */
  warn(message: string): void {
    if (!this.progress.quiet) this.complain(message);
  }

  /** Clears the progress bar and waits until everything is written. */
  async close(): Promise<void> {
    this.progress.hide();
    this.io.signal?.removeEventListener('abort', this.onInterrupt);
    for (const stream of [this.io.stdout, this.io.stderr])
      await new Promise<void>((resolve) => {
        stream.write('', () => resolve());
      });
  }
}

/** Lines for a terminal. */
const lines = (text: string): string => text.split('\n').map(printable).join('\n');

/** Code and message of anything thrown, for people and for JSON; a picture's name at the message's head is left out. */
export function describe(error: unknown): { code: string; message: string } {
  const { code, message }: NodeJS.ErrnoException = error instanceof Error ? error : new Error(String(error));
  return {
    code: typeof code === 'string' ? code : 'INTERNAL',
    message: shorten(message.replace(/^image( "([^"\\]|\\.)*")?: /, '')),
  };
}

/** Longest message; a longer one repeats something of the caller's, such as a data URL. */
const MAX_MESSAGE = 2000;

const shorten = (text: string) =>
  text.length > MAX_MESSAGE ? `${text.slice(0, MAX_MESSAGE / 2)} ... ${text.slice(-MAX_MESSAGE / 4)}` : text;

/** A name in front of a message, without its middle where it is longer than any file's name. */
export const nameOf = (file: string): string =>
  file === '' ? '""' : file.length > 4096 ? `${file.slice(0, 60)}...${file.slice(-20)}` : file;

/**
 * The command line is wrong whatever the files hold: exit code 2. What only the network can tell, such as a label that it does
 * not have, is a failure like any other: exit code 1.
 */
export class UsageError extends AtrousCamError {
  constructor(message: string) {
    super('BAD_ARGUMENT', message);
  }
}

/** Whether every picture would fail alike: an option that does not fit the network, or what this version or machine cannot do. */
export const concernsWholeCall = (error: unknown): boolean =>
  error instanceof AtrousCamError && (error.code === 'BAD_ARGUMENT' || error.code === 'UNSUPPORTED');
