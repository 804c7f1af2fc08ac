import library from 'upng-js';

/** The parts of upng-js 2.1.0 used here; its published types leave most of them out. */
interface Upng {
  decode: {
    /**
     * Undoes PNG's row filters in place: filtered rows of 1 + n bytes at `offset` become packed rows of n bytes there.
     * Wants a whole picture (or interlacing pass) of at least one pixel, and filter types 0..4.
     */
    _filterZero(
      data: Uint8Array,
      header: { ctype: number; depth: number },
      offset: number,
      width: number,
      height: number,
    ): Uint8Array;
  };
  /** CRC-32 of `length` bytes, as a signed number. */
  crc: { crc(bytes: Uint8Array, offset: number, length: number): number };
}

export const upng = library as unknown as Upng;
