import type { PlannedLayer, Use } from '../../nn/index.ts';
import type { Model } from '../../training/index.ts';

/**
 * The layers of a model in the order of Keras's `model.layers`, in which its files hold them: by depth, that is the longest way to
 * the output, the deepest first; those of one depth as they are met on the way from the output to the input.
 */
export function kerasOrder({ plannedLayers, uses }: Model): PlannedLayer[] {
  const depths = depthsOf(uses);
  const met = orderOfVisits(uses);
  return plannedLayers
    .map((planned, layer) => ({ planned, depth: depths[layer] ?? 0, met: met.get(layer) ?? 0 }))
    .sort((a, b) => b.depth - a.depth || a.met - b.met)
    .map(({ planned }) => planned);
}

/** By layer: the most uses that come after one of its uses. */
function depthsOf(uses: readonly Use[]): number[] {
  const ofUse = new Array<number>(uses.length).fill(0);
  const ofLayer: number[] = [];
  for (let i = uses.length - 1; i >= 0; i--) {
    const { layer, inputs } = uses[i]!;
    // A layer that is used twice is as deep as its deepest use, and so are all its uses.
    ofLayer[layer] = ofUse[i] = Math.max(ofUse[i]!, ofLayer[layer] ?? 0);
    for (const value of inputs) if (value > 0) ofUse[value - 1] = Math.max(ofUse[value - 1]!, ofUse[i]! + 1);
  }
  return ofLayer;
}

/** When each layer is met first, from the output on, depth first and an input of a layer after the other. */
function orderOfVisits(uses: readonly Use[]): Map<number, number> {
  const met = new Map<number, number>();
  const seen = new Set<number>();
  const open = [uses.length - 1];
  for (let at = open.pop(); at !== undefined; at = open.pop()) {
    if (at < 0 || seen.has(at)) continue; // -1 is the model's input
    seen.add(at);
    const { layer, inputs } = uses[at]!;
    if (!met.has(layer)) met.set(layer, met.size);
    open.push(...inputs.map((value) => value - 1).reverse());
  }
  return met;
}
