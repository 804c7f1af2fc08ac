import { BitReader, type HuffmanTable, huffmanTable } from './jpeg-huffman.js';
import { inverses } from './jpeg-idct.js';
import { maxSampling } from './jpeg-segments.js';

/** A component of a picture that is being decoded. */
export interface Plane {
  id: number;
  h: number;
  v: number;
  /** Number of its quantisation table. */
  quantisation: number;
  /** Its own blocks, without those that only fill the last units of interleaved scans. */
  columns: number;
  rows: number;
  /** Blocks of a row with those that fill it up. */
  blockStride: number;
  /** Samples a side of a decoded block: 8, 4, 2 or 1. */
  side: number;
  /** Samples, `blockStride * side` a row; grey where nothing was decoded. */
  samples: Uint8Array;
  /** Of a progressive file: 64 a block, row by row. */
  coefficients?: Int16Array;
  table: Int32Array | undefined;
  prediction: number;
}

/** What came of a file. */
export interface DecodedPlanes {
  planes: Plane[];
  /** Share of the data's units that were there, 0..1; the smallest of all scans. */
  share: number;
}

const ZIGZAG = Uint8Array.of(
  ...[
    0, 1, 8, 16, 9, 2, 3, 10, 17, 24, 32, 25, 18, 11, 4, 5, 12, 19, 26, 33, 40, 48, 41, 34, 27, 20, 13, 6, 7, 14, 21,
    28,
  ],
  ...[
    35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51, 58, 59, 52, 45, 38, 31, 39, 46, 53, 60, 61, 54, 47,
    55, 62, 63,
  ],
);

/** Data that no decoder can make sense of. */
export class JpegDamage extends Error {}

/** One scan's part of the picture. */
interface Scan {
  planes: { plane: Plane; dc: HuffmanTable | undefined; ac: HuffmanTable | undefined }[];
  /** First and last coefficient, and the bits before and after this scan, of a progressive file. */
  first: number;
  last: number;
  high: number;
  low: number;
}

/**
 * Decodes the segments that `readJpegSegments` kept, baseline or progressive, to the samples of each component. Where data is missing or
 * makes no sense it stops, or goes on behind the next restart marker; what is missing is grey.
 *
 * @param side samples a side that a block of the finest component becomes: 8, or 4, 2, 1 for a smaller picture. Coarser components get
 *   larger blocks where that spares their enlargement, as libjpeg does it
 * @throws JpegDamage where tables are missing or wrong
 */
export function decodePlanes(essence: Uint8Array, side: number): DecodedPlanes {
  return new Decoder(essence, side).run();
}

class Decoder {
  readonly #quantisation: (Int32Array | undefined)[] = [];
  readonly #dc: (HuffmanTable | undefined)[] = [];
  readonly #ac: (HuffmanTable | undefined)[] = [];
  readonly #block = new Int32Array(64);
  #planes: Plane[] = [];
  #progressive = false;
  #unitsAcross = 0;
  #unitsDown = 0;
  #interval = 0;
  #share = 1;
  #endOfBand = 0;

  constructor(
    readonly bytes: Uint8Array,
    readonly side: number,
  ) {}

  run(): DecodedPlanes {
    const { bytes } = this;
    for (let at = 2; at + 4 <= bytes.length; ) {
      const marker = bytes[at + 1];
      if (marker === 0xd9) break;
      const end = at + 2 + ((bytes[at + 2] << 8) | bytes[at + 3]);
      const data = bytes.subarray(at + 4, end);
      if (marker === 0xdb) this.#readQuantisation(data);
      else if (marker === 0xc4) this.#readHuffman(data);
      else if (marker === 0xdd) this.#interval = (data[0] << 8) | data[1];
      else if (marker >= 0xc0 && marker <= 0xc2) this.#readFrame(data, marker === 0xc2);
      at = marker === 0xda ? this.#readScan(data, end) : end;
    }
    if (this.#progressive) for (const plane of this.#planes) this.#finish(plane);
    return { planes: this.#planes, share: this.#share };
  }

  #readQuantisation(data: Uint8Array): void {
    for (let at = 0; at < data.length; ) {
      const wide = data[at] >> 4;
      const number = data[at++] & 15;
      if (at + (wide ? 128 : 64) > data.length) throw new JpegDamage('a quantisation table is cut off');
      const table = new Int32Array(64);
      for (let i = 0; i < 64; i++, at += wide ? 2 : 1)
        table[ZIGZAG[i]] = wide ? (data[at] << 8) | data[at + 1] : data[at];
      this.#quantisation[number] = table;
    }
  }

  #readHuffman(data: Uint8Array): void {
    for (let at = 0; at + 17 <= data.length; ) {
      const counts = data.subarray(at + 1, at + 17);
      const size = counts.reduce((sum, count) => sum + count, 0);
      const table = huffmanTable(counts, data.subarray(at + 17, at + 17 + size));
      if (!table) throw new JpegDamage('a Huffman table makes no sense');
      (data[at] & 16 ? this.#ac : this.#dc)[data[at] & 15] = table;
      at += 17 + size;
    }
  }

  #readFrame(data: Uint8Array, progressive: boolean): void {
    const [, h1, h0, w1, w0, count] = data;
    const [width, height] = [(w1 << 8) | w0, (h1 << 8) | h0];
    const parts = Array.from({ length: count }, (_, i) => {
      const [id, factors, quantisation] = data.subarray(6 + 3 * i);
      return { id, h: factors >> 4, v: factors & 15, quantisation };
    });
    const { maxH, maxV } = maxSampling(parts);
    this.#progressive = progressive;
    this.#unitsAcross = Math.ceil(width / (8 * maxH));
    this.#unitsDown = Math.ceil(height / (8 * maxV));
    this.#planes = parts.map((part) => {
      const { h, v } = part;
      let { side } = this;
      while (side < 8 && (maxH * this.side) % (h * side * 2) === 0 && (maxV * this.side) % (v * side * 2) === 0)
        side *= 2;
      const [blockStride, blockRows] = [this.#unitsAcross * h, this.#unitsDown * v];
      return {
        ...part,
        columns: Math.ceil(Math.ceil((width * h) / maxH) / 8),
        rows: Math.ceil(Math.ceil((height * v) / maxV) / 8),
        ...{ blockStride, side, table: undefined, prediction: 0 },
        samples: new Uint8Array(blockStride * blockRows * side * side).fill(128),
        ...(progressive && { coefficients: new Int16Array(64 * blockStride * blockRows) }),
      };
    });
  }

  /** Returns where the next segment begins. */
  #readScan(data: Uint8Array, start: number): number {
    const { bytes } = this;
    let end = start;
    while (end + 1 < bytes.length && !(bytes[end] === 0xff && bytes[end + 1] !== 0 && (bytes[end + 1] & 0xf8) !== 0xd0))
      end++;
    const count = data[0];
    const planes = Array.from({ length: count }, (_, i) => {
      const plane = this.#planes.find(({ id }) => id === data[1 + 2 * i])!;
      plane.table ??= this.#quantisation[plane.quantisation];
      if (!plane.table) throw new JpegDamage('a quantisation table is missing');
      const tables = data[2 + 2 * i];
      return { plane, dc: this.#dc[tables >> 4], ac: this.#ac[tables & 15] };
    });
    const [first, last, bits] = data.subarray(1 + 2 * count);
    const scan = this.#progressive
      ? { planes, first, last: Math.min(last, 63), high: bits >> 4, low: bits & 15 }
      : { planes, first: 0, last: 63, high: 0, low: 0 };
    const needsDc = scan.first === 0 && scan.high === 0;
    const needsAc = scan.last > 0 && (!this.#progressive || scan.first > 0);
    if (planes.some(({ dc, ac }) => (needsDc && !dc) || (needsAc && !ac)))
      throw new JpegDamage('a Huffman table is missing');
    if (scan.first > 0 && planes.length !== 1) throw new JpegDamage('a scan interleaves what cannot be');
    this.#share = Math.min(this.#share, this.#decodeScan(scan, new BitReader(bytes, start, end)));
    return end;
  }

  /** Returns the share of the scan's units that were there. */
  #decodeScan(scan: Scan, reader: BitReader): number {
    const [only] = scan.planes;
    const single = scan.planes.length === 1;
    const across = single ? only.plane.columns : this.#unitsAcross;
    const units = across * (single ? only.plane.rows : this.#unitsDown);
    const interval = this.#interval || units;
    let done = 0;
    for (let unit = 0, expected = 0; unit < units; ) {
      for (const { plane } of scan.planes) plane.prediction = 0;
      this.#endOfBand = 0;
      const stop = Math.min(unit + interval, units);
      for (; unit < stop; unit++) {
        const [x, y] = [unit % across, Math.floor(unit / across)];
        for (const part of scan.planes) {
          const { h, v } = part.plane;
          if (single) this.#decodeBlock(scan, part, reader, y * part.plane.blockStride + x);
          else
            for (let i = 0; i < h * v; i++) {
              const row = y * v + Math.floor(i / h);
              this.#decodeBlock(scan, part, reader, row * part.plane.blockStride + x * h + (i % h));
            }
        }
        if (reader.ended || reader.damaged) break;
        done++;
      }
      if (stop === units) break;
      const found = reader.restart();
      if (found < 0) break;
      // A marker that comes early or late tells how many intervals are missing.
      unit = stop + ((found - expected) & 7) * interval;
      expected = (found + 1) & 7;
      reader.ended = reader.damaged = false;
    }
    return done / units;
  }

  #decodeBlock(scan: Scan, part: Scan['planes'][number], reader: BitReader, index: number): void {
    const { plane } = part;
    if (plane.coefficients) {
      this.#decodeBand(scan, part, reader, plane.coefficients, 64 * index);
      return;
    }
    const block = this.#block.fill(0);
    const table = plane.table!;
    plane.prediction += reader.signed(reader.code(part.dc!) & 15);
    block[0] = plane.prediction * table[0];
    const ac = part.ac!;
    for (let k = 1; k < 64; k++) {
      const code = reader.code(ac);
      const size = code & 15;
      if (size === 0) {
        if (code >> 4 !== 15) break;
        k += 15;
        continue;
      }
      k += code >> 4;
      const value = reader.signed(size);
      const place = ZIGZAG[k & 63];
      if (k < 64) block[place] = value * table[place];
    }
    if (!reader.ended && !reader.damaged) this.#invert(plane, block, index);
  }

  #invert(plane: Plane, block: Int32Array, index: number): void {
    const { side, blockStride } = plane;
    const [x, y] = [index % blockStride, Math.floor(index / blockStride)];
    const stride = blockStride * side;
    inverses[side](block, plane.samples, y * side * stride + x * side, stride);
  }

  /** A scan's bits of a block of a progressive file (T.81, G.1.2). */
  #decodeBand(scan: Scan, part: Scan['planes'][number], reader: BitReader, to: Int16Array, base: number): void {
    const { first, last, high, low } = scan;
    if (first === 0) {
      if (high > 0) to[base] |= reader.bits(1) << low;
      else {
        part.plane.prediction += reader.signed(reader.code(part.dc!) & 15);
        if (!reader.ended) to[base] = part.plane.prediction << low;
      }
    } else if (high > 0) this.#refine(scan, part.ac!, reader, to, base);
    else if (this.#endOfBand > 0) this.#endOfBand--;
    else
      for (let k = first; k <= last; k++) {
        const code = reader.code(part.ac!);
        const [run, size] = [code >> 4, code & 15];
        if (reader.ended) return;
        if (size === 0 && run < 15) {
          this.#endOfBand = (1 << run) + reader.bits(run) - 1;
          break;
        }
        k += run;
        if (size > 0 && k <= last) to[base + ZIGZAG[k]] = reader.signed(size) << low;
      }
  }

  /** One more bit of each coefficient that has some, and new ones of one bit (T.81, G.1.2.3). */
  #refine({ first, last, low }: Scan, ac: HuffmanTable, reader: BitReader, to: Int16Array, base: number): void {
    const bit = 1 << low;
    const correct = (at: number) => {
      if (reader.bits(1) && (to[at] & bit) === 0 && !reader.ended) to[at] += to[at] > 0 ? bit : -bit;
    };
    let k = first;
    if (this.#endOfBand === 0) {
      for (; k <= last; k++) {
        const code = reader.code(ac);
        let run = code >> 4;
        let value = 0;
        if ((code & 15) === 0) {
          if (run < 15) {
            this.#endOfBand = (1 << run) + reader.bits(run);
            break;
          }
        } else value = reader.bits(1) ? bit : -bit;
        if (reader.ended || reader.damaged) return;
        for (; k <= last; k++) {
          const at = base + ZIGZAG[k];
          if (to[at] !== 0) correct(at);
          else if (run-- === 0) {
            to[at] = value;
            break;
          }
        }
      }
    }
    if (this.#endOfBand > 0) {
      for (; k <= last; k++) if (to[base + ZIGZAG[k]] !== 0) correct(base + ZIGZAG[k]);
      this.#endOfBand--;
    }
  }

  /** Samples of a progressive file's component. */
  #finish(plane: Plane): void {
    const { coefficients, table, rows, columns, blockStride } = plane;
    const block = this.#block;
    for (let y = 0; y < rows; y++)
      for (let x = 0; x < columns; x++) {
        const index = y * blockStride + x;
        for (let i = 0; i < 64; i++) block[i] = coefficients![64 * index + i] * table![i];
        this.#invert(plane, block, index);
      }
    plane.coefficients = undefined; // three times the samples
  }
}
