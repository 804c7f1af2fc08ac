import { ConvWeightGradientArgs, convWeightGradient } from './conv-gradient';

/** The fields of convWeightGradient, and how its patches are divided. */
@unmanaged
class BatchGradientArgs extends ConvWeightGradientArgs {
  /** Patches of a part. */
  each: i32;
  /** Tasks of a part: blocks of channels. */
  blocks: i32;
  /** Bytes from one part's dw to the next's. */
  partBytes: i32;
}

/**
 * The gradient of a 3x3 convolution at its weights in parts, each the sum over some of the patches: networks with few channels have
 * too few blocks of them for threads. Task = (part, block of channels). scratch: args of the part | scratch of convWeightGradient
 */
export function batchWeightGradient(args: BatchGradientArgs, task: i32, scratch: usize): void {
  const part = task / args.blocks;
  memory.copy(scratch, changetype<usize>(args), offsetof<ConvWeightGradientArgs>());
  const own = changetype<ConvWeightGradientArgs>(scratch);
  own.dw = args.dw + <usize>part * <usize>args.partBytes;
  own.first = part * args.each;
  own.last = min(args.last, own.first + args.each);
  convWeightGradient(own, task % args.blocks, scratch + 128);
}

@unmanaged
class SumPartsArgs {
  parts: usize;
  sum: usize;
  /** Floats of a part, and parts. */
  n: i32;
  count: i32;
  /** Floats of a task, a multiple of 4. */
  each: i32;
}

/** sum (n) = the parts, added in order; n is a multiple of 4. Task = range of floats. */
export function sumParts(args: SumPartsArgs, task: i32, _scratch: usize): void {
  const last = min(args.n, (task + 1) * args.each);
  for (let i = task * args.each; i < last; i += 4) {
    let part = args.parts + 4 * <usize>i;
    let sum = v128.load(part);
    for (let k = 1; k < args.count; k++) {
      part += 4 * <usize>args.n;
      sum = f32x4.add(sum, v128.load(part));
    }
    v128.store(args.sum + 4 * <usize>i, sum);
  }
}
