import { strToU8, zipSync } from 'fflate';
import { kerasWeights, unpacked } from '../../golden/files/files.ts';

/** A layer as Keras 3 describes it. */
export const layer3 = (className: string, config: object) => ({
  module: 'keras.layers',
  class_name: className,
  config: { trainable: true, ...config },
  registered_name: null,
});

/** A Sequential as Keras 3 describes it. */
export const model3 = (layers: object[], className = 'Sequential', more: object = {}) => ({
  module: 'keras',
  class_name: className,
  config: { name: 'small', trainable: true, layers, ...more },
  registered_name: null,
});

/** A .keras file of a model; its weights are those of another one. */
export const kerasZip = (config: unknown, files: Record<string, Uint8Array> = {}): Uint8Array =>
  zipSync({
    'metadata.json': strToU8('{"keras_version": "3.5.0"}'),
    'config.json': strToU8(typeof config === 'string' ? config : JSON.stringify(config)),
    'model.weights.h5': unpacked(kerasWeights.inner.file),
    ...files,
  });
