import { announce, element } from './dom.js';
import { describeError, isAbort } from './messages.js';

/** What is going on: at most one thing at a time, with progress, a button that stops it and one place for what went wrong. */
export class Activity {
  readonly #button = element('stop', HTMLButtonElement);
  readonly #bar = element('progress', HTMLProgressElement);
  readonly #status = element('status', HTMLElement);
  readonly #message = element('message', HTMLElement);
  #running: AbortController | undefined;
  /** Starts again what was stopped. */
  #again: (() => void) | undefined;

  constructor() {
    this.#button.addEventListener('click', () => {
      if (this.#running) this.#running.abort();
      else this.#again?.();
    });
    element('message-close', HTMLButtonElement).addEventListener('click', () => this.complain(undefined));
  }

  /**
   * Does one thing; what was going on before is stopped first. Resolves to whether it was done to its end. `again` is what the
   * visitor can ask for after stopping it.
   */
  async run(work: (signal: AbortSignal) => Promise<void>, again: () => void): Promise<boolean> {
    this.#running?.abort();
    const controller = new AbortController();
    this.#running = controller;
    this.#offer('Stop');
    try {
      await work(controller.signal);
      if (this.#running !== controller) return false;
      this.#running = undefined;
      this.#offer(undefined);
      return true;
    } catch (error) {
      if (this.#running !== controller) return false; // something else has begun
      this.#running = undefined;
      this.#again = again;
      this.#offer('Go on');
      if (!isAbort(error)) this.complain(error);
      this.progress(isAbort(error) ? 'Stopped.' : 'Not done.', undefined);
      if (isAbort(error)) announce('Stopped.');
      return false;
    }
  }

  /** Stops what is going on and asks before something long. */
  offer(text: string, begin: () => void): void {
    this.#running?.abort();
    this.#running = undefined;
    this.#again = begin;
    this.#offer('Compute');
    this.progress(text, 0);
    announce(text);
  }

  /** Says that there is nothing to do; what was going on is not wanted any more. */
  rest(text: string): void {
    this.#running?.abort();
    this.#running = undefined;
    this.#offer(undefined);
    this.progress(text, 1);
  }

  stop(): void {
    this.#running?.abort();
  }

  /** `done` 0..1; undefined leaves the bar where it is. */
  progress(text: string, done: number | undefined): void {
    this.#status.textContent = text;
    if (done !== undefined) this.#bar.value = done;
  }

  /** Shows what went wrong until the visitor closes it or something else goes well; `undefined` closes it. */
  complain(error: unknown): void {
    this.#message.hidden = error === undefined;
    if (error === undefined) return;
    const { heading, text } = describeError(error);
    element('message-heading', HTMLElement).textContent = `${heading}.`;
    element('message-text', HTMLElement).textContent = text;
  }

  #offer(label: string | undefined): void {
    this.#button.disabled = label === undefined;
    this.#button.textContent = label ?? 'Stop';
  }
}
