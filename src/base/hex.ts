/** Bytes of hexadecimal text. */
export function decodeHex(text: string): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(text.length / 2);
  for (let i = 0; i < bytes.length; i++) bytes[i] = 16 * digit(text, 2 * i) + digit(text, 2 * i + 1);
  return bytes;
}

/** The value of a digit from 0 to 9 or a to f. */
function digit(text: string, i: number): number {
  const code = text.charCodeAt(i);
  return code < 58 ? code - 48 : code - 87;
}
