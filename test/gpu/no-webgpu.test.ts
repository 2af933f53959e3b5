import { afterEach, expect, test, vi } from 'vitest';
import { AdapterError } from '../../src/base/errors.ts';
import { Device } from '../../src/gpu/device.ts';

afterEach(() => vi.unstubAllGlobals());

const refusal = (gpu: GPU | undefined) =>
  Device.open(gpu).then(
    () => null,
    (error: Error) => error,
  );

test.each([undefined, null])(
  'Device.open: AdapterError that says what is missing if navigator.gpu is %s',
  async (gpu) => {
    const error = await refusal(gpu as undefined);
    expect(error).toBeInstanceOf(AdapterError);
    expect(error!.message).toMatch(/^Device\.open: takes navigator\.gpu, which is (undefined|null)/);
    expect(error!.message).toContain('Firefox');
    expect(error!.message).toContain('openDevice()');
    expect(error!.message).not.toContain('https');
  },
);

test('Device.open: AdapterError that asks for https if the page is not secure', async () => {
  vi.stubGlobal('isSecureContext', false);
  const error = await refusal(undefined);
  expect(error).toBeInstanceOf(AdapterError);
  expect(error!.message).toContain('https');
  expect(error!.message).not.toContain('Firefox');
});
