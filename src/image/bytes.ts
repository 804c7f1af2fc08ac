/**
 * One channel laid over white: `round((value * alpha + 255 * (255 - alpha)) / 255)`, exactly.
 * In integers; 255 is odd, so a tie cannot happen. Alpha 255 returns `value`, alpha 0 returns 255.
 *
 * @param value 0..255, not premultiplied
 * @param alpha 0 (transparent) .. 255 (opaque)
 */
export function overWhite(value: number, alpha: number): number {
  return ((value * alpha + 255 * (255 - alpha) + 127) / 255) | 0;
}

/** Pieces one behind the other. */
export function concat(pieces: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.length, 0));
  let at = 0;
  for (const piece of pieces) {
    whole.set(piece, at);
    at += piece.length;
  }
  return whole;
}

/** The nearest of 0..255. */
export function clampByte(value: number): number {
  return Math.min(Math.max(value, 0), 255);
}
