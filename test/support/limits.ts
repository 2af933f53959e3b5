import type { Device } from '../../src/node.ts';

/** Replaces limits of a device until it is disposed, so that small sizes exceed them. */
export function tellLimits(device: Device, limits: Partial<Record<keyof GPUSupportedLimits, number>>): Disposable {
  const own = device.limits;
  const replaced = new Proxy(own, { get: (target, name) => Reflect.get(limits, name) ?? Reflect.get(target, name) });
  Object.assign(device, { limits: replaced });
  return { [Symbol.dispose]: () => void Object.assign(device, { limits: own }) };
}
