import { badImage, checkDimensions } from './bad-image.js';
import { concat } from './bytes.js';
import { type Decoding, tolerate } from './decoding.js';
import { exifOrientation } from './exif.js';
import { adobeCmyk, standardTables } from './jpeg-standard.js';

export interface JpegComponent {
  id: number;
  /** Horizontal and vertical sampling factor, 1..4. */
  h: number;
  v: number;
}

/** What the segments of a JPEG file say, checked, and the file reduced to what its pixels depend on. */
export interface JpegParts {
  width: number;
  height: number;
  progressive: boolean;
  /** 1, 3 or 4 of them. */
  components: JpegComponent[];
  /** Has restart markers. */
  restarts: boolean;
  /** Three components are YCbCr, four are YCCK; false: they are RGB or CMYK. */
  luma: boolean;
  /** Blocks of 8x8 samples, all components together. */
  blocks: number;
  /** EXIF's, 1..8. */
  orientation: number;
  /** SOI, tables, frame, scans, EOI; and Adobe's marker where there are four components. */
  essence: Uint8Array;
}

/** Frames that are not Huffman-coded, 8-bit, DCT-based (ITU-T T.81, table B.1). */
const unsupportedFrames: Record<number, string> = {
  195: 'lossless',
  197: 'hierarchical',
  198: 'hierarchical',
  199: 'hierarchical lossless',
  201: 'arithmetic-coded',
  202: 'arithmetic-coded progressive',
  203: 'arithmetic-coded lossless',
  205: 'arithmetic-coded hierarchical',
  206: 'arithmetic-coded hierarchical',
  207: 'arithmetic-coded hierarchical lossless',
  247: 'JPEG-LS',
};

/** How many times more pixels than are accepted a file may have to be decoded at a smaller size. */
const REDUCIBLE = 2.5;

/**
 * A progressive file may ask for one more pass over the whole picture with every few bytes. Encoders write about ten scans;
 * at this limit the worst file costs ten times an ordinary one.
 */
const MAX_SCANS = 100;

/** Everything found so far while walking. */
interface Walk {
  bytes: Uint8Array;
  subject: string;
  decoding: Decoding;
  frame?: { width: number; height: number; progressive: boolean; components: JpegComponent[] };
  jfif: boolean;
  /** Adobe's colour transform: 0 none, 1 YCbCr, 2 YCCK. */
  adobe?: { transform: number; segment: Uint8Array };
  orientation?: number;
  restarts: boolean;
  /** Has Huffman tables of its own. */
  tables: boolean;
  scans: number;
  /** Bytes of entropy-coded data. */
  coded: number;
  /** Identifiers of the components that some scan holds. */
  seen: Set<number>;
  kept: Uint8Array[];
}

/**
 * Walks a JPEG file from marker to marker, up to EOI; pictures appended after it are ignored. Checks what a decoder would
 * have to trust: segment lengths, the kind and size of the frame, sampling factors, the number of scans, that every
 * component has data, that there is enough data for the size, and that the end is there.
 *
 * @throws AtrousCamError BAD_IMAGE
 */
export function readJpegSegments(bytes: Uint8Array, decoding: Decoding): JpegParts {
  const { subject, maxPixels } = decoding;
  const flags = { jfif: false, restarts: false, tables: false };
  const walk: Walk = { bytes, subject, decoding, ...flags, scans: 0, coded: 0, seen: new Set(), kept: [] };
  walk.kept.push(bytes.subarray(0, 2));
  for (let at = 2; ; ) {
    at = nextMarker(bytes, at);
    const marker = bytes[at + 1];
    if (marker === undefined) {
      const fault = `truncated JPEG: it ends at byte ${bytes.length}, before its end marker`;
      if (walk.scans === 0) throw badImage(subject, fault);
      tolerate(decoding, fault);
      break;
    }
    if (marker === 0xd9) break;
    if (marker === 0xd8 || marker === 0x01) {
      at += 2; // SOI and TEM stand alone
      continue;
    }
    const length = (bytes[at + 2] << 8) | bytes[at + 3];
    const end = at + 2 + length;
    if (at + 4 > bytes.length || end > bytes.length) {
      throw badImage(subject, `truncated JPEG: a segment reaches beyond byte ${bytes.length}, where the file ends`);
    }
    if (length < 2)
      throw badImage(subject, `damaged JPEG: expected a segment of at least 2 bytes at byte ${at}, got ${length}`);
    at = readSegment(walk, marker, at, end, maxPixels);
  }
  return finish(walk);
}

/** Index of the next marker's 0xff at or after `at`, or the end. Steps over stuffed bytes, restart markers, fill and garbage. */
function nextMarker(bytes: Uint8Array, at: number): number {
  for (; at + 1 < bytes.length; at++) {
    const code = bytes[at + 1];
    if (bytes[at] === 0xff && code !== 0 && code !== 0xff && (code < 0xd0 || code > 0xd7)) return at;
  }
  return bytes.length;
}

/** Takes in the segment at [at, end), and for a scan the data after it. Returns where to go on. */
function readSegment(walk: Walk, marker: number, at: number, end: number, maxPixels: number): number {
  const { bytes, subject } = walk;
  const data = bytes.subarray(at + 4, end);
  const unsupported = unsupportedFrames[marker];
  if (unsupported !== undefined) {
    throw badImage(
      subject,
      `unsupported kind of JPEG (${unsupported}); save it as baseline or progressive JPEG or as PNG`,
    );
  }
  switch (marker) {
    case 0xc0:
    case 0xc1:
    case 0xc2: {
      readFrame(walk, data, marker === 0xc2, maxPixels);
      const segment = bytes.slice(at, end);
      // With one component the factors mean nothing (T.81, A.2.2); as 1 they need no care.
      if (segment[9] === 1) segment[11] = 0x11;
      walk.kept.push(segment);
      return end;
    }
    case 0xda: {
      readScan(walk, data);
      const next = nextMarker(bytes, end);
      walk.coded += next - end;
      walk.kept.push(bytes.subarray(at, next));
      return next;
    }
    case 0xdd:
      walk.restarts ||= data[0] > 0 || data[1] > 0;
      walk.kept.push(bytes.subarray(at, end));
      return end;
    case 0xc4:
    case 0xdb:
      walk.tables ||= marker === 0xc4;
      walk.kept.push(bytes.subarray(at, end));
      return end;
    case 0xe0:
      walk.jfif ||= startsWith(data, 'JFIF\0');
      return end;
    case 0xe1:
      if (startsWith(data, 'Exif\0\0')) walk.orientation ??= exifOrientation(data.subarray(6));
      return end;
    case 0xee:
      if (startsWith(data, 'Adobe') && data.length >= 12) {
        walk.adobe = { transform: data[11], segment: bytes.subarray(at, end) };
      }
      return end;
    default:
      return end;
  }
}

function readFrame(walk: Walk, data: Uint8Array, progressive: boolean, maxPixels: number): void {
  const { subject } = walk;
  if (walk.frame !== undefined) throw badImage(subject, 'damaged JPEG: expected one frame, got a second');
  const [precision, h1, h0, w1, w0, count] = data;
  if (data.length < 6 || data.length !== 6 + 3 * count) {
    throw badImage(subject, `damaged JPEG: its frame header of ${data.length} bytes does not fit its components`);
  }
  if (precision !== 8) {
    throw badImage(
      subject,
      `unsupported kind of JPEG: expected 8 bits per sample, got ${precision}; convert it to 8 bits`,
    );
  }
  const width = (w1 << 8) | w0;
  const height = (h1 << 8) | h0;
  // A larger one can be decoded at a smaller size, within reason: time still grows with what is stored.
  const reducible = walk.decoding.reduces && width * height <= REDUCIBLE * maxPixels;
  checkDimensions(subject, width, height, reducible ? Number.POSITIVE_INFINITY : maxPixels);
  if (count !== 1 && count !== 3 && count !== 4) {
    throw badImage(subject, `unsupported kind of JPEG: expected 1, 3 or 4 components, got ${count}`);
  }
  const components = Array.from({ length: count }, (_, i) => {
    const [id, factors] = data.subarray(6 + 3 * i);
    return count === 1 ? { id, h: 1, v: 1 } : { id, h: factors >> 4, v: factors & 15 };
  });
  if (components.some(({ h, v }) => h < 1 || h > 4 || v < 1 || v > 4)) {
    throw badImage(subject, 'damaged JPEG: expected sampling factors of 1 to 4');
  }
  if (new Set(components.map(({ id }) => id)).size < count) {
    throw badImage(subject, 'damaged JPEG: two of its components have the same identifier');
  }
  walk.frame = { width, height, progressive, components };
}

function readScan(walk: Walk, data: Uint8Array): void {
  const { subject, frame } = walk;
  if (frame === undefined) throw badImage(subject, 'damaged JPEG: expected a frame header before the first scan');
  if (++walk.scans > MAX_SCANS)
    throw badImage(subject, `refused JPEG: expected at most ${MAX_SCANS} scans; save it again`);
  const count = data[0];
  if (data.length !== 4 + 2 * count) throw badImage(subject, 'damaged JPEG: a scan header has a wrong length');
  for (let i = 0; i < count; i++) {
    const id = data[1 + 2 * i];
    if (!frame.components.some((component) => component.id === id)) {
      throw badImage(subject, `damaged JPEG: a scan names the component ${id}, which the frame does not have`);
    }
    walk.seen.add(id);
  }
}

function finish(walk: Walk): JpegParts {
  const { subject, frame, adobe, kept } = walk;
  if (frame === undefined) throw badImage(subject, 'damaged JPEG: it ends without a frame header, so without a size');
  if (frame.components.some(({ id }) => !walk.seen.has(id))) {
    throw badImage(subject, 'truncated JPEG: one of its components has no data');
  }
  // Each block of 8x8 samples takes at least one bit of a progressive, two of a baseline file. So a small file with a large
  // frame is refused before the blocks are allocated (256 bytes each).
  const blocks = blockCount(frame);
  if (blocks > walk.coded * (frame.progressive ? 8 : 4)) {
    throw badImage(
      subject,
      `truncated JPEG: ${walk.coded} bytes of image data cannot hold ${frame.width}x${frame.height} pixels`,
    );
  }
  if (frame.components.length === 4) {
    if (adobe === undefined)
      tolerate(walk.decoding, 'CMYK without the Adobe marker; its inks were taken as Adobe stores them');
    kept.splice(1, 0, adobe?.segment ?? adobeCmyk());
  }
  if (!walk.tables) {
    tolerate(walk.decoding, 'this JPEG has no Huffman tables, as frames of webcams; the standard ones were taken');
    kept.splice(1, 0, standardTables());
  }
  kept.push(Uint8Array.of(0xff, 0xd9));
  return {
    ...frame,
    restarts: walk.restarts,
    luma: hasLuma(walk, frame.components),
    blocks,
    orientation: walk.orientation ?? 1,
    essence: concat(kept),
  };
}

/** 8x8 blocks that the scans must hold at least. */
function blockCount({ width, height, components }: NonNullable<Walk['frame']>): number {
  const { maxH, maxV } = maxSampling(components);
  return components.reduce(
    (sum, { h, v }) => sum + Math.ceil((width * h) / maxH / 8) * Math.ceil((height * v) / maxV / 8),
    0,
  );
}

/** The finest sampling: a component with these factors has a sample for every pixel. */
export function maxSampling(components: readonly JpegComponent[]): { maxH: number; maxV: number } {
  return { maxH: Math.max(...components.map(({ h }) => h)), maxV: Math.max(...components.map(({ v }) => v)) };
}

/** libjpeg's rule for what the components are (`default_decompress_parms`). */
function hasLuma({ jfif, adobe }: Walk, components: readonly JpegComponent[]): boolean {
  if (components.length === 4) return adobe?.transform === 2;
  if (components.length === 1) return false;
  if (jfif) return true;
  if (adobe !== undefined) return adobe.transform !== 0;
  return String.fromCharCode(...components.map(({ id }) => id)) !== 'RGB';
}

function startsWith(data: Uint8Array, text: string): boolean {
  return data.length >= text.length && [...text].every((char, i) => data[i] === char.charCodeAt(0));
}
