import { ArgumentError, DataError } from '../base/errors.ts';
import { parseJson } from '../base/json.ts';
import type { Device } from '../gpu/device.ts';
import { decodeWeights, FORMAT, VERSION } from '../io/model-file.ts';
import type { NdArrayLike } from '../io/nd-array.ts';
import { decodeSafetensors, encodeSafetensors } from '../io/safetensors.ts';
import { type Model, modelConfig } from '../training/index.ts';
import { differences } from '../training/state/run-description.ts';
import type { StateValue } from '../training/state/training-state.ts';
import { type BuildModel, callBuilder } from './build-model.ts';
import { HyperParameters } from './hyperparameters.ts';
import type { HyperparameterValues } from './record.ts';

/** Weights that are read back at a time: each takes a buffer of its own. */
const READ_AT_ONCE = 256;
/** Differences between two models that a message names. */
const MAX_NAMED = 4;

/**
 * A model's first replica as a safetensors file: one that `loadModel` reads, or, where its layers are none that a file can hold, one of
 * weights alone. Waits for the GPU.
 */
export async function encodeFirstReplica(model: Model): Promise<Uint8Array<ArrayBuffer>> {
  const { weights } = model;
  const tensors: [string, NdArrayLike][] = [];
  for (let first = 0; first < weights.length; first += READ_AT_ONCE) {
    const read = weights.slice(first, first + READ_AT_ONCE).map(async ({ name, tensor }) => {
      const data = (await tensor.data()) as Float32Array<ArrayBuffer>;
      return [name, { shape: tensor.shape, data: data.slice(0, tensor.size) }] as [string, NdArrayLike];
    });
    tensors.push(...(await Promise.all(read)));
  }
  const config = configText(model);
  return encodeSafetensors(tensors, {
    format: FORMAT,
    version: VERSION,
    ...(config === null ? {} : { model: config }),
  });
}

/** The layers and their options as JSON; null where a file cannot hold them. */
function configText(model: Model): string | null {
  try {
    const text = JSON.stringify(modelConfig(model));
    parseJson(text);
    return text;
  } catch (error) {
    if (error instanceof ArgumentError || error instanceof SyntaxError) return null;
    throw error;
  }
}

/**
 * The model of a trial with the weights that were kept of it, as the builder makes it.
 * @param name of the weights' file, for messages
 * @throws ArgumentError where the builder makes another model since, saying what differs; DataError for a damaged file
 */
export function loadTrialModel(
  buildModel: BuildModel,
  trial: { number: number; values: HyperparameterValues },
  { device, weights, name }: { device: Device; weights: Uint8Array; name: string },
): Model {
  const changed = (what: string, cause?: unknown) =>
    new ArgumentError(
      `buildModel makes another model than that of trial ${trial.number}, whose weights are in ${name}: ${what}. ` +
        'Go on with the builder as it was then',
      { cause },
    );
  const { metadata } = decodeSafetensors(weights, name);
  const draw = ({ name: asked }: { name: string }) => {
    throw changed(`it asks for ${asked}, of which the trial has no value`);
  };
  const hp = new HyperParameters({ values: trial.values, draw });
  const made = () => {
    try {
      return callBuilder(buildModel, hp);
    } catch (error) {
      throw error instanceof ArgumentError && !error.message.startsWith('buildModel')
        ? changed(error.message, error)
        : error;
    }
  };
  const model = made();
  if (hp.unasked.length > 0) throw changed(`it no longer asks for ${hp.unasked.join(', ')}`);
  const config = configText(model);
  if (metadata.model !== undefined && config !== null) {
    const found = [...differences(layersByName(parseJson(metadata.model)), layersByName(parseJson(config)))];
    const more = found.length > MAX_NAMED ? `; and ${found.length - MAX_NAMED} more` : '';
    if (found.length > 0) throw changed(found.slice(0, MAX_NAMED).join('; ') + more);
  }
  model.build(device);
  try {
    decodeWeights(model, weights, {}, name);
    return model;
  } catch (error) {
    model.dispose();
    throw error instanceof DataError ? changed(error.message, error) : error;
  }
}

/** A model's config, with layers by their names, so that a message names them: `layers.dense.units`. */
function layersByName(config: unknown): StateValue {
  if (typeof config !== 'object' || config === null || Array.isArray(config)) return config as StateValue;
  return Object.fromEntries(
    Object.entries(config).map(([key, value]) => {
      if (key === 'config') return [key, layersByName(value)];
      if (key !== 'layers' || !Array.isArray(value)) return [key, value as StateValue];
      const layers = (value as { className: string; config: { name: string } }[]).map((layer) => {
        const { name, ...options } = layersByName(layer.config) as { name: string };
        return [name, { kind: layer.className, ...options }] as const;
      });
      return [key, Object.fromEntries(layers)];
    }),
  );
}
