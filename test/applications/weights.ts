import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { RandomStream } from '../../src/base/random.ts';
import { encodeSafetensors, type Model } from '../../src/node.ts';

export interface Values {
  shape: readonly number[];
  data: Float32Array<ArrayBuffer>;
}

/** Random values for all weights of a model, by their names. */
export function randomWeights(model: Model, seed = 1): Map<string, Values> {
  const { weights } = model.plan(model.inputShape);
  return new Map(
    weights.map(({ name, shape }, i) => {
      const random = new RandomStream(seed, 'initializer', i);
      const data = Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => random.uniform());
      return [name, { shape, data }];
    }),
  );
}

/** A safetensors file like the published ones, in which kernels of depthwise layers have the names of Keras 2. */
export function publishedFile(values: ReadonlyMap<string, Values>, which: (name: string) => boolean = () => true) {
  const publishedName = (name: string) => name.replace(/depthwise\/kernel$/, 'depthwise/depthwise_kernel');
  return encodeSafetensors(
    [...values].filter(([name]) => which(name)).map(([name, array]) => [publishedName(name), array]),
  );
}

export function write(path: string, bytes: string | Uint8Array): string {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, bytes);
  return path;
}
