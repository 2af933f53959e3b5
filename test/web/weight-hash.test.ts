import { createHash } from 'node:crypto';
import { expect, it } from 'vitest';
import { decodeSafetensors, encodeWeights } from '../../src/node.ts';
import { hashWeights } from '../../web/src/worker/weight-hash.ts';
import { describeOnDevice } from '../support/device.ts';
import { drawImages } from '../support/images.ts';
import { denseModel } from './support.ts';

describeOnDevice('hashWeights', (device) => {
  const set = drawImages(1, { shape: [7, 5, 3], classes: 6 });

  it('hashWeights: is the SHA-256 of the values in the safetensors file, in the order of the weights', async () => {
    for (const seeds of [[4], [4, 9]]) {
      const { model } = await denseModel(device, set, seeds);
      const { tensors } = decodeSafetensors(await encodeWeights(model));
      const hash = createHash('sha256');
      for (const { name } of model.weights) {
        const { data } = tensors.get(name)!;
        for (const value of data as Float32Array) {
          const bytes = Buffer.alloc(4);
          bytes.writeFloatLE(value);
          hash.update(bytes);
        }
      }
      expect(await hashWeights(model)).toBe(hash.digest('hex'));
      model.dispose();
    }
  });

  it('hashWeights: differs if one weight differs in its last bit', async () => {
    const { model } = await denseModel(device, set, [4]);
    const before = await hashWeights(model);
    const { tensor } = model.weights[0]!;
    const values = (await tensor.data()) as Float32Array<ArrayBuffer>;
    new Uint32Array(values.buffer)[17]! ^= 1;
    tensor.assign(values);
    expect(await hashWeights(model)).not.toBe(before);
    new Uint32Array(values.buffer)[17]! ^= 1;
    tensor.assign(values);
    expect(await hashWeights(model)).toBe(before);
    model.dispose();
  });
});
