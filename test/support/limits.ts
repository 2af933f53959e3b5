import type { Device } from '../../src/node.ts';

/** Replaces limits of a device until it is disposed, so that small sizes exceed them. */
export function replaceLimits(device: Device, limits: Partial<Record<keyof GPUSupportedLimits, number>>): Disposable {
  const original = device.limits;
  const replaced = new Proxy(original, {
    get: (target, name) => Reflect.get(limits, name) ?? Reflect.get(target, name),
  });
  Object.assign(device, { limits: replaced });
  return { [Symbol.dispose]: () => void Object.assign(device, { limits: original }) };
}
