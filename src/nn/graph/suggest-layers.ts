import { listNames, nearName } from '../../base/check.ts';
import type { Layer, PlannedLayer } from '../layers/layer.ts';

/** What this file needs of a model. Importing the class would make an import circle. */
interface ModelLayers {
  readonly plannedLayers: readonly PlannedLayer[];
}

const isModel = (layer: Layer): layer is Layer & ModelLayers => 'plannedLayers' in layer;

/** End of the message for an unknown layer name: the most similar name, if any, and the first of the model's layers. */
export function suggestLayers(model: ModelLayers, name: unknown): string {
  const names = model.plannedLayers.map((planned) => planned.name);
  const meant = typeof name === 'string' ? nearestLayer(model, name) : undefined;
  return meant ? `did you mean ${meant}? Its layers are ${listNames(names)}` : `its layers are ${listNames(names)}`;
}

/** The same name in a nested model, else a similar name in the model, else a similar name in a nested one. */
function nearestLayer(model: ModelLayers, name: string): string | undefined {
  const same = (planned: readonly PlannedLayer[]) => planned.find((one) => one.name === name)?.name;
  const near = (planned: readonly PlannedLayer[]) =>
    nearName(
      name,
      planned.map((one) => one.name),
    );
  return findNestedLayer(model, same) ?? near(model.plannedLayers) ?? findNestedLayer(model, near);
}

/** The `getLayer` calls that lead to the first layer of a nested model that `find` chooses. */
function findNestedLayer(
  model: ModelLayers,
  find: (planned: readonly PlannedLayer[]) => string | undefined,
): string | undefined {
  for (const { name, layer } of model.plannedLayers) {
    if (!isModel(layer)) continue;
    const found = find(layer.plannedLayers);
    const calls = found === undefined ? findNestedLayer(layer, find) : `getLayer('${found}')`;
    if (calls !== undefined) return `getLayer('${name}').${calls}`;
  }
  return undefined;
}
