import type { Device } from '../gpu/device.ts';
import type { Tensor } from './tensor.ts';

/**
 * The tensors of a graph that a backward pass has gone through, which nobody can differentiate any more and a user may still want to
 * read: the loss, a model's output. Those in a scope are the scope's; the others wait here for an owner (`takeSpent`).
 */
export interface SpentGraph {
  /** What the user may hold of it; what only an operator or a model could see is released by the pass itself. */
  readonly tensors: readonly Tensor[];
  /** The leaves that got a gradient from it. */
  readonly leaves: ReadonlySet<Tensor>;
}

const FATE =
  'was used after its graph was released: what a backward pass went through can be read until the next step() of the optimizer; ' +
  'read it before that, or keep it with detach()';

const waiting = new WeakMap<Device, Set<SpentGraph>>();

/**
 * Notes a graph that a backward pass went through.
 * @param fresh those of its leaves that had no gradient before. Where somebody trains without an optimizer, earlier graphs end with
 *   the gradients they gave: once these were cleared and begin anew, or their leaves are disposed
 */
export function keepSpent(device: Device, graph: SpentGraph, fresh: readonly Tensor[]): void {
  const graphs = waiting.get(device) ?? new Set();
  waiting.set(device, graphs);
  for (const earlier of graphs) {
    const isOver =
      fresh.some((leaf) => earlier.leaves.has(leaf)) || [...earlier.leaves].every(({ array }) => array.disposed);
    if (!isOver) continue;
    releaseSpent([earlier]);
    graphs.delete(earlier);
  }
  if (graph.tensors.length > 0) graphs.add(graph);
}

/** Hands over the graphs that wait on a device; whoever takes them releases them. */
export function takeSpent(device: Device): SpentGraph[] {
  const graphs = [...(waiting.get(device) ?? [])];
  waiting.delete(device);
  return graphs;
}

export function releaseSpent(graphs: readonly SpentGraph[]): void {
  for (const { tensors } of graphs) for (const { array } of tensors) array.dispose(FATE);
}
