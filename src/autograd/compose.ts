import type { Device } from '../gpu/device.ts';
import { type DeviceArray, withScope } from '../kernels/array.ts';
import type { Tensor } from './tensor.ts';

/**
 * Runs an operator composed of others, or a model. The result owns the intermediate arrays: they are
 * released at once if no backward pass can need them, else by the backward pass or with the result.
 */
export function compose(device: Device, body: () => Tensor): Tensor {
  let made = new Set<DeviceArray>();
  return withScope(
    device,
    () => {
      const y = body();
      made = new Set(device.scopes.at(-1)) as Set<DeviceArray>;
      made.delete(y.array);
      if (y.requiresGrad && made.size > 0) y.intermediates = [...(y.intermediates ?? []), ...made];
      return y;
    },
    (y) => (y.requiresGrad ? [y.array, ...made] : [y.array]),
  );
}
