import type { Device } from '../gpu/device.ts';
import type { TapeTensor } from './node.ts';

/**
 * Tensors of a graph after its backward pass that a user may still read, such as the loss and a model's output, or tensors of a graph
 * that is retained for another pass. Scopes own their tensors; the others are kept here for a later owner (`takeFinished`).
 */
export interface FinishedGraph {
  readonly tensors: readonly TapeTensor[];
  /** Whether another pass may follow, until the leaves change. */
  readonly retained: boolean;
  /** Leaves that received a gradient from the graph. */
  readonly leaves: ReadonlySet<TapeTensor>;
}

const RELEASED =
  'was used after its graph was released: tensors of a graph can be read after backward() until the next step() of the optimizer; ' +
  'read it before that, or keep it with detach()';

const waiting = new WeakMap<Device, Set<FinishedGraph>>();

/**
 * Keeps a graph after its backward pass. Releases earlier graphs whose gradients were cleared and computed again, or
 * whose leaves were disposed: in training without an optimizer, nothing else releases them.
 * @param newLeaves leaves of the graph that had no gradient before
 */
export function keepFinished(device: Device, graph: FinishedGraph, newLeaves: readonly TapeTensor[]): void {
  const graphs = waiting.get(device) ?? new Set();
  waiting.set(device, graphs);
  for (const earlier of graphs) {
    const isOver =
      newLeaves.some((leaf) => earlier.leaves.has(leaf)) || [...earlier.leaves].every(({ array }) => array.disposed);
    if (!isOver) continue;
    releaseFinished([earlier]);
    graphs.delete(earlier);
  }
  if (graph.tensors.length > 0) graphs.add(graph);
}

/**
 * Removes and returns the finished graphs of a device; the caller must release them.
 * @param changed leaves that are about to change; a retained graph with only other leaves stays
 */
export function takeFinished(device: Device, changed: Iterable<TapeTensor>): FinishedGraph[] {
  const graphs = waiting.get(device);
  if (!graphs) return [];
  const leaves = new Set(changed);
  const taken = [...graphs].filter((graph) => !graph.retained || [...graph.leaves].some((leaf) => leaves.has(leaf)));
  for (const graph of taken) graphs.delete(graph);
  return taken;
}

export function releaseFinished(graphs: readonly FinishedGraph[]): void {
  for (const { tensors } of graphs) {
    for (const { array, node, intermediates } of tensors) {
      for (const one of [array, ...(node?.saved ?? []), ...(intermediates ?? [])]) one.dispose(RELEASED);
    }
  }
}
