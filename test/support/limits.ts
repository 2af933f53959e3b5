import type { Device } from '../../src/node.ts';

/** Makes a device tell other limits than its own until it is disposed: sizes need not be huge, then, to pass them. */
export function tellLimits(device: Device, limits: Partial<Record<keyof GPUSupportedLimits, number>>): Disposable {
  const own = device.limits;
  const told = new Proxy(own, { get: (target, name) => Reflect.get(limits, name) ?? Reflect.get(target, name) });
  Object.assign(device, { limits: told });
  return { [Symbol.dispose]: () => void Object.assign(device, { limits: own }) };
}
