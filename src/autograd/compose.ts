import type { Device } from '../gpu/device.ts';
import { type DeviceArray, withScope } from '../kernels/array.ts';
import type { Tensor } from './tensor.ts';

/**
 * Runs an operator that is made of others, or a model. What it makes on the way, which nobody else can see, belongs to its result: it is
 * released at once if no backward pass can need it, else by the backward pass, or with the result.
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
