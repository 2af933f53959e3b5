import { afterEach, expect, test, vi } from 'vitest';
import { AdapterError } from '../../src/base/errors.ts';
import { Device } from '../../src/gpu/device.ts';

afterEach(() => {
  vi.doUnmock('webgpu');
  vi.resetModules();
});

/** `openDevice` with another module in the place of Dawn. */
async function openWith(module: () => object): Promise<unknown> {
  vi.doMock('webgpu', module);
  const { openDevice } = await import('../../src/gpu/dawn.ts');
  return openDevice().then(
    () => null,
    (error: unknown) => error,
  );
}

// `resetModules` gives the errors a second identity, hence their names.

test('openDevice: throws AdapterError with the next step if the native module does not load', async () => {
  const error = await openWith(() => {
    throw new Error('cannot open shared object file');
  });
  expect(error).toMatchObject({ name: 'AdapterError', message: expect.stringContaining('glibc 2.34') });
});

test('openDevice: throws AdapterError with the reason if the adapter cannot be opened', async () => {
  const requestDevice = () => Promise.reject(new Error('too many devices'));
  const adapter = { features: new Set(), limits: {}, requestDevice };
  const error = await openWith(() => ({ globals: {}, create: () => ({ requestAdapter: async () => adapter }) }));
  expect(error).toMatchObject({ name: 'AdapterError', message: expect.stringContaining('too many devices') });
});

test('openDevice: throws AdapterError with advice if there is no adapter', async () => {
  const none = { requestAdapter: async () => null } as unknown as GPU;
  const error = await Device.open(none).then(
    () => null,
    (reason: Error) => reason,
  );
  expect(error).toBeInstanceOf(AdapterError);
  expect(error!.message).toContain('npx tilegrad setup');
  expect(error!.message).toContain('tilegrad doctor');
});
