/** Nothing is waited for longer than this, in milliseconds; tests shorten it. */
export const patience = {
  /** A chunk of the library, or a caller's worker or response, that is on its way. */
  arrival: 60_000,
  /** No byte of a file. */
  silence: 60_000,
};

/** What a promise gives, or what `late` makes where it gives nothing in so many milliseconds. */
export async function within<Value>(wait: Promise<Value>, milliseconds: number, late: () => Error): Promise<Value> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const limit = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(late()), milliseconds);
  });
  try {
    return await Promise.race([wait, limit]);
  } finally {
    clearTimeout(timer);
  }
}
