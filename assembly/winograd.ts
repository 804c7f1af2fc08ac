import { multiplyStrip, PANEL } from './winograd-gemm';
import { winogradInput } from './winograd-input';
import { winogradOutput } from './winograd-output';
import { kinds, OWN, WinogradArgs } from './winograd-tile';

/** Multiplies `stripsPerTask` strips of one coefficient: m = v u. Tasks run over the strips first, then the coefficients. */
export function winogradGemm(args: WinogradArgs, task: i32, _scratch: usize): void {
  const strips = <i32>((args.cout + 7) >> 3);
  const perCoefficient = (strips + args.stripsPerTask - 1) / args.stripsPerTask;
  const coefficient = task / perCoefficient;
  const begin = (task % perCoefficient) * args.stripsPerTask;
  const end = min(strips, begin + args.stripsPerTask);
  const side = args.tile + 2;
  const i = coefficient / side;
  const j = coefficient % side;
  const first = kinds.first(args, i);
  const last = kinds.last(args, i, j);
  if (last <= first) return;
  const panels = (<usize>(last - first) + PANEL - 1) / PANEL;
  const ldc = <usize>strips * 32;
  const v = args.v + <usize>coefficient * args.vStride;
  const u = args.u + <usize>coefficient * args.uStride;
  const m = args.m + <usize>coefficient * args.mStride;
  // The strip of u stays in L1 while the panels of v pass from L2.
  for (let strip = begin; strip < end; strip++)
    multiplyStrip(v, panels, u + <usize>strip * args.cin * 32, m + <usize>strip * 32, args.cin, ldc);
}

/**
 * All three steps of `tilesPerTask` tiles. Their v and m lie in the task's scratch, `args.v` and `args.m` bytes from its start, behind
 * what the transforms need and the task's own arguments: with few channels they stay in a core's own cache. Strips fit one gemm task.
 */
export function winogradTiles(args: WinogradArgs, task: i32, scratch: usize): void {
  memory.copy(scratch + OWN, changetype<usize>(args), offsetof<WinogradArgs>());
  const own = changetype<WinogradArgs>(scratch + OWN);
  const begin = task * args.tilesPerTask;
  own.first += begin;
  own.count = min(args.tilesPerTask, args.count - begin);
  own.v += scratch;
  own.m += scratch;
  winogradInput(own, 0, scratch);
  for (let coefficient = 0; coefficient < 36; coefficient++) winogradGemm(own, coefficient, scratch);
  winogradOutput(own, 0, scratch);
}

export { winogradInput } from './winograd-input';
export { winogradOutput } from './winograd-output';
