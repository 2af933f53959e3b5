import type { PlannedLayer, Use } from '../../nn/index.ts';
import type { Model } from '../../training/index.ts';

/**
 * Returns the layers of a model in the order of Keras's `model.layers`, which is also the order in its files. The order is by depth, the
 * length of the longest path to the output, with the deepest first. Layers of equal depth are in the order in which a walk from the output
 * reaches them.
 */
export function layersInKerasOrder({ plannedLayers, uses }: Model): PlannedLayer[] {
  const depths = depthsOf(uses);
  const visitOrder = visitOrderOf(uses);
  return plannedLayers
    .map((planned, layer) => ({ planned, depth: depths[layer] ?? 0, visitOrder: visitOrder.get(layer) ?? 0 }))
    .sort((a, b) => b.depth - a.depth || a.visitOrder - b.visitOrder)
    .map(({ planned }) => planned);
}

/** Returns the depth of each layer: the largest number of uses that follow one of its uses. */
function depthsOf(uses: readonly Use[]): number[] {
  const useDepths = new Array<number>(uses.length).fill(0);
  const layerDepths: number[] = [];
  for (let i = uses.length - 1; i >= 0; i--) {
    const { layer, inputs } = uses[i]!;
    // A layer that is used twice is as deep as its deepest use, and so are all its uses.
    layerDepths[layer] = useDepths[i] = Math.max(useDepths[i]!, layerDepths[layer] ?? 0);
    for (const value of inputs)
      if (value > 0) useDepths[value - 1] = Math.max(useDepths[value - 1]!, useDepths[i]! + 1);
  }
  return layerDepths;
}

/** Returns the place of each layer in a walk from the output: depth first, and the inputs of a layer in order. */
function visitOrderOf(uses: readonly Use[]): Map<number, number> {
  const visitOrder = new Map<number, number>();
  const seen = new Set<number>();
  const stack = [uses.length - 1];
  for (let use = stack.pop(); use !== undefined; use = stack.pop()) {
    if (use < 0 || seen.has(use)) continue; // -1 is the model's input
    seen.add(use);
    const { layer, inputs } = uses[use]!;
    if (!visitOrder.has(layer)) visitOrder.set(layer, visitOrder.size);
    stack.push(...inputs.map((value) => value - 1).reverse());
  }
  return visitOrder;
}
