import { strToU8, zipSync } from 'fflate';
import type { File } from 'h5wasm';
import { kerasWeights, unpacked } from '../../golden/files/files.ts';

/** A layer as Keras 3 describes it. */
export const layer3 = (className: string, config: object) => ({
  module: 'keras.layers',
  class_name: className,
  config: { trainable: true, ...config },
  registered_name: null,
});

/** A layer of a functional model as Keras 2 describes it. */
export const layer2 = (
  className: string,
  config: { name: string; [option: string]: unknown },
  nodes: unknown[] = [],
) => ({
  class_name: className,
  config,
  name: config.name,
  inbound_nodes: nodes,
});

/** A Sequential as Keras 3 describes it. */
export const model3 = (layers: object[]) => ({
  module: 'keras',
  class_name: 'Sequential',
  config: { name: 'small', trainable: true, layers },
  registered_name: null,
});

/** A functional model as Keras 2 describes it. */
export const model2 = (layers: object[], ends: object) => ({
  class_name: 'Functional',
  config: { name: 'small', layers, ...ends },
});

/** A .keras file of a model; its weights are those of another one. */
export const kerasZip = (config: unknown): Uint8Array =>
  zipSync({
    'metadata.json': strToU8('{"keras_version": "3.5.0"}'),
    'config.json': strToU8(typeof config === 'string' ? config : JSON.stringify(config)),
    'model.weights.h5': unpacked(kerasWeights.inner.file),
  });

/** An HDF5 file with the content that `write` adds. */
export async function h5File(write: (file: File) => void): Promise<Uint8Array> {
  const { File, ready } = await import('h5wasm');
  const { FS } = await ready;
  const file = new File('/made.h5', 'w');
  write(file);
  file.close();
  const bytes = FS.readFile('/made.h5') as Uint8Array;
  FS.unlink('/made.h5');
  return bytes;
}
