import { listNames, nearName } from '../../base/check.ts';
import type { Layer, PlannedLayer } from '../layers/layer.ts';

/** A model, which this file may not import: models import it. */
interface ModelLayers {
  readonly plannedLayers: readonly PlannedLayer[];
}

const isModel = (layer: Layer): layer is Layer & ModelLayers => 'plannedLayers' in layer;

/** What a message says of a model without a layer of that name: which one was meant, if any is near, and a few of those it has. */
export function suggestLayers(model: ModelLayers, name: unknown): string {
  const names = model.plannedLayers.map((planned) => planned.name);
  const meant = typeof name === 'string' ? nearestLayer(model, name) : undefined;
  return meant ? `did you mean ${meant}? Its layers are ${listNames(names)}` : `its layers are ${listNames(names)}`;
}

/** The same name in a model within the model, else a near one in the model, else one within. */
function nearestLayer(model: ModelLayers, name: string): string | undefined {
  const same = (planned: readonly PlannedLayer[]) => planned.find((one) => one.name === name)?.name;
  const near = (planned: readonly PlannedLayer[]) =>
    nearName(
      name,
      planned.map((one) => one.name),
    );
  return findNestedLayer(model, same) ?? near(model.plannedLayers) ?? findNestedLayer(model, near);
}

/** The calls that lead to a layer of a model within the model, the first that `find` chooses. */
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
