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

/** Number of weights that are read back at once; each needs its own buffer. */
const READ_AT_ONCE = 256;
/** Differences between two models that a message names. */
const MAX_NAMED = 4;

/**
 * Encodes a model's first replica as a safetensors file that `loadModel` reads; with weights only, if a file cannot hold its layers. Waits
 * for the GPU.
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

/** The layers and their options as JSON; null if a file cannot hold them. */
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
 * Builds the model of a trial with the builder, and loads its saved weights.
 * @param options.name name of the file with the weights, for messages
 * @throws ArgumentError if the builder now makes another model (the message names the differences); DataError for a damaged file
 */
export function loadTrialModel(
  buildModel: BuildModel,
  trial: { number: number; values: HyperparameterValues },
  { device, weights, name }: { device: Device; weights: Uint8Array; name: string },
): Model {
  const changedError = (difference: string, cause?: unknown) =>
    new ArgumentError(
      `buildModel makes a model that differs from that of trial ${trial.number}, whose weights are in ${name}: ${difference}. ` +
        'Continue with the builder as it was then',
      { cause },
    );
  const { metadata } = decodeSafetensors(weights, name);
  const draw = ({ name: asked }: { name: string }) => {
    throw changedError(`it asks for ${asked}, but the trial has no value of it`);
  };
  const hp = new HyperParameters({ values: trial.values, draw });
  const callAgain = () => {
    try {
      return callBuilder(buildModel, hp);
    } catch (error) {
      throw error instanceof ArgumentError && !error.message.startsWith('buildModel')
        ? changedError(error.message, error)
        : error;
    }
  };
  const model = callAgain();
  if (hp.unasked.length > 0) throw changedError(`it no longer asks for ${hp.unasked.join(', ')}`);
  const config = configText(model);
  if (metadata.model !== undefined && config !== null) {
    const found = [...differences(layersByName(parseJson(metadata.model)), layersByName(parseJson(config)))];
    const more = found.length > MAX_NAMED ? `; and ${found.length - MAX_NAMED} more` : '';
    if (found.length > 0) throw changedError(found.slice(0, MAX_NAMED).join('; ') + more);
  }
  model.build(device);
  try {
    decodeWeights(model, weights, {}, name);
    return model;
  } catch (error) {
    model.dispose();
    throw error instanceof DataError ? changedError(error.message, error) : error;
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
