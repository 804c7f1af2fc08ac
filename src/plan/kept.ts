import type { Layout } from '../graph/levels.js';

/** Plans of a network that are kept; each call of the library needs one to three. */
const MOST = 6;
/** Larger plans are quick to make beside what they run: a pooled network has as many steps as nodes. */
const MOST_STEPS = 2000;

/** The last few plans of each network: calls that repeat, such as a method's thousand masked pictures, plan once. */
const plans = new WeakMap<Layout, Map<string, { readonly steps: readonly unknown[] }>>();

/** The kept plan of a request, which is plain data, or a new one. */
export function keptPlan<P extends { readonly steps: readonly unknown[] }>(
  layout: Layout,
  request: object,
  make: () => P,
): P {
  const known = plans.get(layout) ?? new Map();
  plans.set(layout, known);
  const key = JSON.stringify(request);
  const plan = (known.get(key) as P | undefined) ?? make();
  known.delete(key);
  if (plan.steps.length <= MOST_STEPS) known.set(key, plan); // the last one again
  if (known.size > MOST) known.delete(known.keys().next().value!);
  return plan;
}
