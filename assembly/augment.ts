import { simd } from './simd';

/** A rectangle of the batch's picture and what is drawn there. Coordinates of x and y count from pixel centres. */
@unmanaged
class Draw {
  /** 8-bit RGB, one byte readable behind it. */
  source: usize;
  width: i32;
  height: i32;
  /** Where the output's pixel (0, 0) lies on the source, and the step from one to the next; negative when mirrored. */
  x: f32;
  y: f32;
  dx: f32;
  dy: f32;
  gain: f32;
  offset: f32;
  left: i32;
  top: i32;
  right: i32;
  bottom: i32;
}

@unmanaged
class DrawArgs {
  /** Two `Draw`s of 13 fields a picture; the second may be empty. */
  draws: usize;
  /** (pictures, size + gap, size, 4) float32, the fourth channel and the gap behind each picture zero. */
  y: usize;
  size: i32;
  gap: i32;
  /** Whether the first channel is blue. */
  bgr: i32;
  /** (4) each: what is taken from a byte, and what it is multiplied with then; the fourth are 0. */
  mean: usize;
  scale: usize;
}

/** Draws the pictures of a batch, interpolated bilinearly and normalised. Task = picture. */
export function drawPictures(args: DrawArgs, task: i32, _scratch: usize): void {
  const row: usize = 16 * <usize>args.size;
  const y = args.y + <usize>task * <usize>(args.size + args.gap) * row;
  const first = args.draws + 2 * offsetof<Draw>() * <usize>task;
  drawOne(args, changetype<Draw>(first), y);
  drawOne(args, changetype<Draw>(first + offsetof<Draw>()), y);
  memory.fill(y + row * <usize>args.size, 0, row * <usize>args.gap);
}

function drawOne(args: DrawArgs, draw: Draw, y: usize): void {
  const mean = v128.load(args.mean);
  const scale = v128.load(args.scale);
  const gain = f32x4.splat(draw.gain);
  const offset = f32x4.splat(draw.offset);
  const black = f32x4.splat(0);
  const white = f32x4.splat(255);
  const rowBytes: usize = 3 * <usize>draw.width;
  for (let i = draw.top; i < draw.bottom; i++) {
    const sy = clamp(draw.y + draw.dy * <f32>i, draw.height);
    const r0 = <i32>sy;
    const upper = draw.source + <usize>r0 * rowBytes;
    const lower = draw.source + <usize>min(r0 + 1, draw.height - 1) * rowBytes;
    const ty = f32x4.splat(sy - <f32>r0);
    let to = y + 16 * <usize>(i * args.size + draw.left);
    for (let j = draw.left; j < draw.right; j++) {
      const sx = clamp(draw.x + draw.dx * <f32>j, draw.width);
      const c0 = <i32>sx;
      const x0: usize = 3 * <usize>c0;
      const x1: usize = 3 * <usize>min(c0 + 1, draw.width - 1);
      const tx = f32x4.splat(sx - <f32>c0);
      const a = pixel.mix(pixel.at(upper + x0), pixel.at(upper + x1), tx);
      const b = pixel.mix(pixel.at(lower + x0), pixel.at(lower + x1), tx);
      let v = f32x4.add(f32x4.mul(pixel.mix(a, b, ty), gain), offset);
      v = f32x4.min(f32x4.max(v, black), white);
      if (args.bgr) v = i8x16.shuffle(v, v, 8, 9, 10, 11, 4, 5, 6, 7, 0, 1, 2, 3, 12, 13, 14, 15);
      v128.store(to, f32x4.mul(f32x4.sub(v, mean), scale));
      to += 16;
    }
  }
}

/** A coordinate held inside 0 .. side - 1. */
function clamp(value: f32, side: i32): f32 {
  return max<f32>(0, min<f32>(value, <f32>(side - 1)));
}

class pixel {
  /** Red, green, blue and one byte more as float32. */
  @inline
  static at(ptr: usize): v128 {
    return f32x4.convert_i32x4_s(i32x4.extend_low_i16x8_u(i16x8.extend_low_i8x16_u(v128.load32_zero(ptr))));
  }

  @inline
  static mix(a: v128, b: v128, t: v128): v128 {
    return simd.madd(f32x4.sub(b, a), t, a);
  }
}
