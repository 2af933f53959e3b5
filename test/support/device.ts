import { afterAll, describe } from 'vitest';
import { AdapterError } from '../../src/base/errors.ts';
import { type Device, openDevice } from '../../src/node.ts';

/** Opened once a test file. A missing adapter skips the file's tests, or fails them all where REQUIRE_GPU=1 (CI). */
const device = await openDevice().catch((error: unknown) => {
  if (process.env.REQUIRE_GPU === '1' || !(error instanceof AdapterError)) throw error;
  console.error(`SKIPPED, every test that needs a GPU: ${error.message}`);
  return null;
});
afterAll(() => device?.dispose());

/** `describe` for tests that need an adapter; visibly skipped, with the reason in the title, when there is none. */
export function describeOnDevice(title: string, suite: (device: Device) => void): void {
  if (device) {
    describe(title, () => suite(device));
  } else {
    // The body only registers tests, which are skipped, so they need no device.
    describe.skip(`${title} (skipped: no WebGPU adapter)`, () => suite(null as unknown as Device));
  }
}
