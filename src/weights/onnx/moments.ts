import type { NodeId } from '../../graph/graph.js';
import type { Call } from './call.js';
import { type Dim, sameDims } from './layout.js';
import { type Constant, type Form, mapValue, type Value } from './values.js';

/**
 * Parts of a layer normalization that is written out: sums of products of x, the mean m of each point's channels and the inverse r of
 * their standard deviation, with one number for all or one a channel. `xr` is x times r; `one` has no other factor.
 */
export interface Moments {
  readonly f: 'moments';
  readonly terms: Terms;
  /** Added to the variance, where r occurs. */
  readonly epsilon?: number;
  /** The dimensions of x. */
  readonly of: readonly Dim[];
}

type Term = 'x' | 'm' | 'r' | 'xr' | 'mr' | 'one';
type Terms = Readonly<Partial<Record<Term, Coefficient>>>;
type Coefficient = number | Float64Array;

/** Products of two terms that are terms again. */
const products: Partial<Record<`${Term} ${Term}`, Term>> = { 'x r': 'xr', 'r x': 'xr', 'm r': 'mr', 'r m': 'mr' };

/** A sum, difference, product or quotient of which at least one side is a part of a layer normalization; else nothing. */
export async function momentsOf(
  call: Call,
  op: 'add' | 'subtract' | 'multiply' | 'divide',
  a: Value,
  b: Value,
): Promise<Value | undefined> {
  const form = [a, b].find(isPart);
  if (!form) return undefined;
  const refused = call.refuse(`it reads ${form.what}, which is understood in a layer normalization alone`);
  const [p, q] = [await partOf(call, a, form), await partOf(call, b, form, op === 'divide')];
  if (!p || !q || (p.epsilon !== undefined && q.epsilon !== undefined && p.epsilon !== q.epsilon)) throw refused;
  if (op === 'multiply' && isCentred(p) && isCentred(q)) return square(form, p);
  const terms = op === 'add' ? sum(p.terms, q.terms, 1) : op === 'subtract' ? sum(p.terms, q.terms, -1) : product(p, q);
  if (!terms) throw refused;
  const epsilon = p.epsilon ?? q.epsilon;
  return finished(call, form, { ...p, terms, ...(epsilon !== undefined && { epsilon }) });
}

/** A part of a layer normalization times -1, or nothing. */
export function negativeOf(call: Call, value: Value): Value | undefined {
  if (value.kind !== 'form' || value.form.f !== 'moments') return undefined;
  return finished(call, value, { ...value.form, terms: sum({}, value.form.terms, -1) });
}

/** The square of what is less its mean, or nothing. */
export const squareOf = (value: Form): Form | undefined =>
  value.form.f === 'moments' && isCentred(value.form) && sameDims(value.dims, value.form.of)
    ? square(value, value.form)
    : undefined;

const square = (form: Form, { of }: Moments): Form => ({ ...form, dims: of, form: { f: 'centred-square', of } });

/** The square root of a variance, one over it, or both at once; nothing where it is no part of a layer normalization. */
export function powerOf({ form, ...value }: Form, exponent: number): Form | undefined {
  if (form.f === 'variance' && exponent === 0.5) return { ...value, form: { ...form, f: 'deviation' } };
  if ((form.f === 'variance' && exponent === -0.5) || (form.f === 'deviation' && exponent === -1)) {
    const { of, epsilon } = form;
    return { ...value, form: { f: 'moments', terms: { r: 1 }, epsilon, of } };
  }
  return undefined;
}

const isPart = (value: Value): value is Form =>
  value.kind === 'form' && (value.form.f === 'moments' || value.form.f === 'deviation');

/** A side of an operation in terms of x, m and r, of the same x as `form`; a divisor as what is multiplied by. */
async function partOf(call: Call, value: Value, form: Form, isDivisor = false): Promise<Moments | undefined> {
  const { of } = form.form as Moments;
  if (value.kind === 'constant')
    return { f: 'moments', of, terms: { one: await coefficient(call, value, form, isDivisor) } };
  if (value.kind === 'failure' || value.node !== form.node) return undefined;
  if (value.kind === 'map')
    return !isDivisor && sameDims(value.dims, of) ? { f: 'moments', of, terms: { x: 1 } } : undefined;
  if (isDivisor) {
    const inverse = powerOf(value, -1);
    return inverse && partOf(call, inverse, form);
  }
  if (value.form.f !== 'moments' || !sameDims(value.form.of, of)) return undefined;
  return sameDims(value.dims, dimsOfTerms(value.form)) ? value.form : undefined; // it has been turned or reshaped
}

async function coefficient(call: Call, of: Constant, { node, form }: Form, isDivisor: boolean): Promise<Coefficient> {
  const dims = (form as Moments).of;
  if (of.shape.length > dims.length) throw call.refuse(`a constant of shape [${of.shape}] in a layer normalization`);
  const values = await of.numbers();
  const vector = values.length === 1 ? values : await call.to.byChannel(call, of, { node, dims });
  const used = isDivisor ? vector.map((value) => 1 / value) : vector;
  return values.length === 1 ? used[0] : used;
}

/** A layer normalization where all of it is there; else a part. */
function finished(call: Call, { node, what }: Form, moments: Moments): Value {
  const { terms, epsilon, of } = moments;
  const { xr, mr, one = 0, ...others } = terms;
  const isWhole = xr !== undefined && mr !== undefined && Object.keys(others).length === 0;
  if (isWhole && isZero(plus(xr, mr, 1))) {
    const id: NodeId = call.to.layerNorm(call, node, epsilon!, xr, one);
    return mapValue(id, of);
  }
  return { kind: 'form', form: moments, node, dims: dimsOfTerms(moments), what };
}

/** The dimensions of x, without channels where all channels of a point have the same number. */
function dimsOfTerms({ terms, of }: Moments): readonly Dim[] {
  const isSpread = Object.entries(terms).some(([term, by]) => term.startsWith('x') || typeof by === 'object');
  return isSpread ? of : of.map((dim) => dim.filter(({ axis }) => axis !== 'c'));
}

const isCentred = ({ terms: { x, m, ...others } }: Moments): boolean =>
  x === 1 && m === -1 && Object.keys(others).length === 0;

function sum(a: Terms, b: Terms, sign: 1 | -1): Terms {
  const made: Partial<Record<Term, Coefficient>> = { ...a };
  for (const [term, by] of Object.entries(b) as [Term, Coefficient][]) made[term] = plus(a[term] ?? 0, by, sign);
  return made;
}

function product({ terms: a }: Moments, { terms: b }: Moments): Terms | undefined {
  let made: Terms = {};
  for (const [p, by] of Object.entries(a) as [Term, Coefficient][])
    for (const [q, times] of Object.entries(b) as [Term, Coefficient][]) {
      const term = p === 'one' ? q : q === 'one' ? p : products[`${p} ${q}`];
      if (!term) return undefined;
      made = sum(made, { [term]: both(by, times, (x, y) => x * y) }, 1);
    }
  return made;
}

const plus = (a: Coefficient, b: Coefficient, sign: 1 | -1): Coefficient => both(a, b, (x, y) => x + sign * y);

function both(a: Coefficient, b: Coefficient, f: (x: number, y: number) => number): Coefficient {
  if (typeof a === 'object') return a.map((value, i) => f(value, typeof b === 'object' ? b[i] : b));
  return typeof b === 'object' ? b.map((value) => f(a, value)) : f(a, b);
}

const isZero = (by: Coefficient): boolean => (typeof by === 'object' ? by.every((value) => value === 0) : by === 0);
