/** Addresses are multiples of this. */
const ALIGNMENT = 64;

/** A piece of the memory that is planned. */
export interface Block {
  readonly ptr: number;
  readonly bytes: number;
}

/**
 * Hands out places in one block of memory while a plan is made, and takes them back: maps of a graph with branches do not die in the
 * order in which they were born. Remembers how high it stood.
 */
export class Memory {
  /** Free pieces below the top, by address; no two of them touch. */
  #free: { ptr: number; bytes: number }[] = [];
  #top = 0;
  peak = 0;

  /** The start, or end, of the smallest free piece that is large enough, else new memory at the top. */
  alloc(bytes: number, atEnd = false): Block {
    const size = Math.max(1, Math.ceil(bytes / ALIGNMENT)) * ALIGNMENT;
    let best = -1;
    for (const [i, piece] of this.#free.entries())
      if (piece.bytes >= size && (best < 0 || piece.bytes < this.#free[best].bytes)) best = i;
    if (best >= 0) {
      const piece = this.#free[best];
      const ptr = atEnd ? piece.ptr + piece.bytes - size : piece.ptr;
      if (!atEnd) piece.ptr += size;
      piece.bytes -= size;
      if (piece.bytes === 0) this.#free.splice(best, 1);
      return { ptr, bytes: size };
    }
    const last = this.#free.at(-1);
    const grows = last && last.ptr + last.bytes === this.#top;
    const ptr = grows ? last.ptr : this.#top;
    if (grows) this.#free.pop();
    this.#top = ptr + size;
    this.peak = Math.max(this.peak, this.#top);
    return { ptr, bytes: size };
  }

  free({ ptr, bytes }: Block): void {
    let i = this.#free.findIndex((piece) => piece.ptr > ptr);
    if (i < 0) i = this.#free.length;
    this.#free.splice(i, 0, { ptr, bytes });
    if (i + 1 < this.#free.length && ptr + bytes === this.#free[i + 1].ptr) this.#merge(i);
    if (i > 0 && this.#free[i - 1].ptr + this.#free[i - 1].bytes === ptr) this.#merge(i - 1);
  }

  /** Makes one of the pieces i and i + 1. */
  #merge(i: number): void {
    const [{ bytes }] = this.#free.splice(i + 1, 1);
    this.#free[i].bytes += bytes;
  }
}
