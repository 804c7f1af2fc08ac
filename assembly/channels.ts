/** Strides are in floats. */
@unmanaged
class ChannelsArgs {
  x: usize;
  xRow: i32;
  xPix: i32;
  y: usize;
  yRow: i32;
  yPix: i32;
  h: i32;
  w: i32;
  /** Channels of x and of y. */
  cin: i32;
  cout: i32;
  /** (cout) int32 below cin. */
  order: usize;
  /** 0: what channelsBackward adds to begins with zeros. */
  accumulate: i32;
  /** Rows that a task computes. */
  rows: i32;
}

/**
 * y (h, w, cout) = the channels order[k] of x (h, w, cin), zeros where that is negative; views that do not overlap.
 * Channel by channel of a row, which stays in the cache. Task = range of rows.
 */
export function takeChannels(args: ChannelsArgs, task: i32, _scratch: usize): void {
  const last = min(args.h, (task + 1) * args.rows);
  for (let i = task * args.rows; i < last; i++) {
    for (let k = 0; k < args.cout; k++) {
      const from = load<i32>(args.order + 4 * <usize>k);
      let x = args.x + 4 * <usize>(i * args.xRow + from);
      let y = args.y + 4 * <usize>(i * args.yRow + k);
      for (let j = args.w; j > 0; j--) {
        store<f32>(y, from < 0 ? 0 : load<f32>(x));
        x += 4 * <usize>args.xPix;
        y += 4 * <usize>args.yPix;
      }
    }
  }
}

/**
 * x (h, w, cin) = or += what the channels of y (h, w, cout) that were taken from it hold: takeChannels' gradient. Task
 * = range of rows.
 */
export function takeChannelsBackward(args: ChannelsArgs, task: i32, _scratch: usize): void {
  const last = min(args.h, (task + 1) * args.rows);
  for (let i = task * args.rows; i < last; i++) {
    const row = args.x + 4 * <usize>(i * args.xRow);
    if (!args.accumulate)
      for (let j = 0; j < args.w; j++) memory.fill(row + 4 * <usize>(j * args.xPix), 0, 4 * <usize>args.cin);
    for (let k = 0; k < args.cout; k++) {
      const from = load<i32>(args.order + 4 * <usize>k);
      if (from < 0) continue;
      let x = row + 4 * <usize>from;
      let y = args.y + 4 * <usize>(i * args.yRow + k);
      for (let j = args.w; j > 0; j--) {
        store<f32>(x, load<f32>(x) + load<f32>(y));
        x += 4 * <usize>args.xPix;
        y += 4 * <usize>args.yPix;
      }
    }
  }
}
