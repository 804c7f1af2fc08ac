/** A time for people: `85 ms`, `1.24 s`, `12.4 s`, `124 s`. */
export function formatSeconds(seconds: number): string {
  if (seconds < 0.9995) return `${Math.round(seconds * 1000)} ms`;
  return `${seconds.toFixed(seconds < 9.995 ? 2 : seconds < 99.95 ? 1 : 0)} s`;
}

/** A size for people: `553 MB`, `58.9 MB`, `12.0 kB`. */
export function formatBytes(bytes: number): string {
  const [unit, size] = bytes < 1e6 ? ['kB', bytes / 1e3] : ['MB', bytes / 1e6];
  return `${size.toFixed(size < 99.95 ? 1 : 0)} ${unit}`;
}
