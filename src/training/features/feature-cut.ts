import { ArgumentError } from '../../base/errors.ts';
import { sizeOf } from '../../kernels/array.ts';
import type { LayerCall } from '../../nn/graph/layer-calls.ts';
import type { Weight } from '../../nn/weights/weight.ts';

/** Why a call may return different values for the same input at another step, and what to do; null if it cannot. */
function reasonForChange(
  { layer, title, firstWeight, weightCount }: LayerCall,
  weights: readonly Weight[],
): string | null {
  const callWeights = weights.slice(firstWeight, firstWeight + weightCount);
  if (callWeights.some(({ spec }) => spec.layer?.trainable ?? true)) {
    return `${title} is trainable; freeze the layers from the first one (layer.trainable = false)`;
  }
  if (layer.deterministic) return null;
  if (layer.kind === 'Dropout') return `${title} drops different values at each step; move it after the frozen layers`;
  if (layer.kind.startsWith('Random')) {
    return `${title} changes images differently at each step, so their features change too; leave it out`;
  }
  return (
    `${title} is not marked as deterministic; if it returns the same values at each step, set deterministic (an option of Lambda, ` +
    'a property of a custom layer)'
  );
}

/**
 * The graph value (see `LayerCall`) to cache: nothing before it changes during training, and everything after it depends only on it. If
 * layers without weights, such as pooling, follow the last frozen weights, it is the smallest of their outputs; the last one of equal size.
 * @throws ArgumentError if there is no such value after a frozen layer with weights
 */
export function findCut(subject: string, calls: readonly LayerCall[], weights: readonly Weight[]): number {
  const changing = calls.findIndex((call) => reasonForChange(call, weights) !== null);
  const end = changing < 0 ? calls.length - 1 : changing;
  const isCut = findCuts(calls);
  const last = isCut.lastIndexOf(true, end);
  const lastWeights = calls.slice(0, Math.max(0, last)).findLastIndex(({ weightCount }) => weightCount > 0);
  if (lastWeights < 0) {
    const hasFrozen = calls.slice(0, end).some(({ weightCount }) => weightCount > 0);
    const why = hasFrozen
      ? `a branch leads past them to ${calls[end]!.title}, which is not frozen; freeze the branches too`
      : `before any of them ${reasonForChange(calls[end]!, weights)}`;
    throw new ArgumentError(
      `${subject}: cacheFeatures stores the output of the frozen layers at the beginning of a model, but ${why}, ` +
        'or leave cacheFeatures out',
    );
  }
  let best = last;
  for (let value = last - 1; value > lastWeights; value--) {
    if (isCut[value] && sizeOf(calls[value - 1]!.shape) < sizeOf(calls[best - 1]!.shape)) best = value;
  }
  return best;
}

/** For each graph value except the output: whether everything after it depends only on it. */
function findCuts(calls: readonly LayerCall[]): boolean[] {
  const found = Array<boolean>(calls.length).fill(false);
  let earliest = Number.POSITIVE_INFINITY;
  for (let i = calls.length - 1; i >= 0; i--) {
    earliest = Math.min(earliest, ...calls[i]!.inputs);
    found[i] = earliest >= i;
  }
  return found;
}
