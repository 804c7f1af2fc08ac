import {
  softmaxBackwardJob,
  softmaxCrossEntropyBackwardJob,
  softmaxCrossEntropyJob,
  softmaxJob,
} from '../wasm/ops/softmax.js';
import { Checks, crossEntropyOperands } from './checks.js';
import type {
  CrossEntropyBackwardOptions,
  CrossEntropyOptions,
  SoftmaxBackwardOptions,
  SoftmaxOptions,
} from './options.js';
import type { Session } from './session.js';

/** See `Kernels.softmax`. */
export function softmax(session: Session, { x, shape }: SoftmaxOptions): Float32Array {
  const checks = new Checks('softmax');
  const [rows, columns] = checks.shape(shape, 'rows', 'columns');
  checks.array('x', x, 'rows*columns', rows, columns);
  return session.scoped(() => {
    const ptr = session.put(x);
    session.run([softmaxJob({ x: ptr, y: ptr, rows, columns })]);
    return session.get(ptr, rows * columns);
  });
}

/** See `Kernels.softmaxBackward`. */
export function softmaxBackward(session: Session, { y, shape, dy }: SoftmaxBackwardOptions): Float32Array {
  const checks = new Checks('softmaxBackward');
  const [rows, columns] = checks.shape(shape, 'rows', 'columns');
  checks.array('y', y, 'rows*columns', rows, columns);
  checks.array('dy', dy, 'rows*columns', rows, columns);
  return session.scoped(() => {
    const dx = session.put(dy);
    session.run([softmaxBackwardJob({ y: session.put(y), dy: dx, dx, rows, columns })]);
    return session.get(dx, rows * columns);
  });
}

/** See `Kernels.softmaxCrossEntropy`. */
export function softmaxCrossEntropy(session: Session, options: CrossEntropyOptions): Float32Array {
  const { x, targets, rows, columns } = crossEntropyOperands(new Checks('softmaxCrossEntropy'), options);
  return session.scoped(() => {
    const loss = session.alloc(rows);
    const o = { x: session.put(x), targets: session.put(targets), loss, rows, columns };
    session.run([softmaxCrossEntropyJob(o)]);
    return session.get(loss, rows);
  });
}

/** See `Kernels.softmaxCrossEntropyBackward`. */
export function softmaxCrossEntropyBackward(session: Session, options: CrossEntropyBackwardOptions): Float32Array {
  const checks = new Checks('softmaxCrossEntropyBackward');
  const { x, targets, rows, columns } = crossEntropyOperands(checks, options);
  const { dy } = options;
  if (dy) checks.array('dy', dy, 'rows', rows);
  return session.scoped(() => {
    const dx = session.put(x);
    const o = { x: dx, targets: session.put(targets), dy: session.putIf(dy), dx, rows, columns };
    session.run([softmaxCrossEntropyBackwardJob(o)]);
    return session.get(dx, rows * columns);
  });
}
