/** The encoder alone: the package's decoder reads pictures by itself. */
declare module 'jpeg-js/lib/encoder.js' {
  export default function encode(
    image: { width: number; height: number; data: Uint8Array },
    quality?: number,
  ): { width: number; height: number; data: Uint8Array };
}
