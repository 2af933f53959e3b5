import { expect, test } from 'vitest';
import { tensor } from '../../src/autograd/index.ts';
import { describeOnDevice } from '../support/device.ts';

describeOnDevice('replicas', (device) => {
  test('tensor: `models`, the deprecated name, is the same as `replicas`', async () => {
    using x = tensor(device, [1, 2, 3, 4], [2], { replicas: 2 });
    using y = tensor(device, [1, 2, 3, 4], [2], { models: 2 });
    expect([x.replicas, x.models, y.replicas, y.models]).toEqual([2, 2, 2, 2]);
    expect(await x.data()).toEqual(await y.data());
  });
});
