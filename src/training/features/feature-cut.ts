import { ArgumentError } from '../../base/errors.ts';
import { sizeOf } from '../../kernels/array.ts';
import type { LayerCall } from '../../nn/graph/layer-calls.ts';
import type { Weight } from '../../nn/weights/weight.ts';

/** Why a call may give something else for the same input at another step of a training, and what to do; null where it gives the same. */
function whyItChanges(
  { layer, title, firstWeight, weightCount }: LayerCall,
  weights: readonly Weight[],
): string | null {
  const own = weights.slice(firstWeight, firstWeight + weightCount);
  if (own.some(({ spec }) => spec.layer?.trainable ?? true)) {
    return `${title} is trainable; freeze layers from the first on (layer.trainable = false)`;
  }
  if (layer.deterministic) return null;
  if (layer.kind === 'Dropout') return `${title} drops other values at each step; move it behind the frozen layers`;
  if (layer.kind.startsWith('Random')) {
    return `${title} changes images in another way at each step, so that their features change, too; leave it out`;
  }
  return (
    `${title} does not say that it gives the same at each step; if it does, make it deterministic (an option of Lambda, ` +
    'a property of a layer of your own)'
  );
}

/**
 * The value (see `LayerCall`) to which the frozen beginning of a model reaches: nothing before it changes in a training, and everything
 * after it comes from it alone. Where layers without weights follow the last frozen weights, such as pooling, it is the smallest of
 * their values, of equal ones the last.
 * @throws ArgumentError where no frozen layer with weights comes before
 */
export function findCut(subject: string, calls: readonly LayerCall[], weights: readonly Weight[]): number {
  const changing = calls.findIndex((call) => whyItChanges(call, weights) !== null);
  const end = changing < 0 ? calls.length - 1 : changing;
  const isCut = cuts(calls);
  const last = isCut.lastIndexOf(true, end);
  const lastWeights = calls.slice(0, Math.max(0, last)).findLastIndex(({ weightCount }) => weightCount > 0);
  if (lastWeights < 0) {
    const hasFrozen = calls.slice(0, end).some(({ weightCount }) => weightCount > 0);
    const why = hasFrozen
      ? `a branch leads past them to ${calls[end]!.title}, which is not; freeze the branches too`
      : `before any of them ${whyItChanges(calls[end]!, weights)}`;
    throw new ArgumentError(
      `${subject}: cacheFeatures keeps what the frozen layers at the beginning of a model give, but ${why}, ` +
        'or leave cacheFeatures out',
    );
  }
  let best = last;
  for (let value = last - 1; value > lastWeights; value--) {
    if (isCut[value] && sizeOf(calls[value - 1]!.shape) < sizeOf(calls[best - 1]!.shape)) best = value;
  }
  return best;
}

/** For each value but the output whether everything after it comes from it alone. */
function cuts(calls: readonly LayerCall[]): boolean[] {
  const found = Array<boolean>(calls.length).fill(false);
  let earliest = Number.POSITIVE_INFINITY;
  for (let i = calls.length - 1; i >= 0; i--) {
    earliest = Math.min(earliest, ...calls[i]!.inputs);
    found[i] = earliest >= i;
  }
  return found;
}
