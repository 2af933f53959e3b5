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

test('a native module that does not load is an AdapterError that says what to do', async () => {
  const error = await openWith(() => {
    throw new Error('cannot open shared object file');
  });
  expect(error).toMatchObject({ name: 'AdapterError', message: expect.stringContaining('glibc 2.34') });
});

test('an adapter that cannot be opened is an AdapterError with the reason', async () => {
  const requestDevice = () => Promise.reject(new Error('too many devices'));
  const adapter = { features: new Set(), limits: {}, requestDevice };
  const error = await openWith(() => ({ globals: {}, create: () => ({ requestAdapter: async () => adapter }) }));
  expect(error).toMatchObject({ name: 'AdapterError', message: expect.stringContaining('too many devices') });
});

test('no adapter: an AdapterError with advice', async () => {
  const none = { requestAdapter: async () => null } as unknown as GPU;
  const error = await Device.open(none).then(
    () => null,
    (reason: Error) => reason,
  );
  expect(error).toBeInstanceOf(AdapterError);
  expect(error!.message).toContain('npx tilegrad setup');
  expect(error!.message).toContain('tilegrad doctor');
});
