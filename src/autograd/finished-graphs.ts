import type { Device } from '../gpu/device.ts';
import type { TapeTensor } from './node.ts';

/**
 * The tensors of a graph that a backward pass has gone through and a user may still want to read, such as the loss and a model's output; or
 * those of a graph that is retained for another pass. Those in a scope are the scope's; the others wait here for an owner (`takeSpent`).
 */
export interface FinishedGraph {
  readonly tensors: readonly TapeTensor[];
  /** Whether another pass may follow, until the leaves change. */
  readonly retained: boolean;
  /** The leaves that got a gradient from it. */
  readonly leaves: ReadonlySet<TapeTensor>;
}

const RELEASED =
  'was used after its graph was released: what a backward pass went through can be read until the next step() of the optimizer; ' +
  'read it before that, or keep it with detach()';

const waiting = new WeakMap<Device, Set<FinishedGraph>>();

/**
 * Notes a graph that a backward pass went through.
 * @param fresh those of its leaves that had no gradient before. Where somebody trains without an optimizer, earlier graphs end with
 *   the gradients they gave: once these were cleared and begin anew, or their leaves are disposed
 */
export function keepFinished(device: Device, graph: FinishedGraph, fresh: readonly TapeTensor[]): void {
  const graphs = waiting.get(device) ?? new Set();
  waiting.set(device, graphs);
  for (const earlier of graphs) {
    const isOver =
      fresh.some((leaf) => earlier.leaves.has(leaf)) || [...earlier.leaves].every(({ array }) => array.disposed);
    if (!isOver) continue;
    releaseFinished([earlier]);
    graphs.delete(earlier);
  }
  if (graph.tensors.length > 0) graphs.add(graph);
}

/**
 * Hands over the graphs that wait on a device; whoever takes them releases them.
 * @param changed leaves that are about to change: a retained graph of others stays
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
