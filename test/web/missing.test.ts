import { expect, test } from 'vitest';
import { missingParts } from '../../web/src/page/missing.ts';

const gpu = (adapter: unknown) => ({ requestAdapter: async () => adapter }) as unknown as GPU;
const CHROME = 'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/150.0.0.0 Safari/537.36';
const FIREFOX = 'Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0';
const SAFARI = 'Mozilla/5.0 (Macintosh) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.0 Safari/605.1.15';

test.each([
  ['a page that is not secure', 'webgpu', { userAgent: CHROME, gpu: undefined }, false, [/^https/]],
  ['Firefox without WebGPU', 'webgpu', { userAgent: FIREFOX }, true, [/^Browser/, /^Flag: in Firefox, dom\.webgpu/]],
  ['Safari without WebGPU', 'webgpu', { userAgent: SAFARI }, true, [/^Browser/, /^Flag: in Safari/]],
  ['Chrome without an adapter', 'adapter', { userAgent: CHROME, gpu: gpu(null) }, true, [/^Driver/, /unsafe-webgpu/]],
  ['a worker without WebGPU', 'webgpu', { userAgent: CHROME, gpu: gpu({}) }, true, [/^Worker/]],
  [
    'an adapter that gives no device',
    'adapter',
    { userAgent: CHROME, gpu: gpu({}) },
    true,
    [/^Device: .* It said no$/],
  ],
] as const)('missingParts: lists what is missing in %s', async (_, missing, navigator, isSecureContext, expected) => {
  const parts = await missingParts(missing, 'It said no', navigator, { isSecureContext });
  expect(parts).toEqual(expected.map((pattern) => expect.stringMatching(pattern)));
});

test('missingParts: an adapter that fails counts as missing', async () => {
  const failing = { requestAdapter: () => Promise.reject(new Error('no')) } as unknown as GPU;
  const [part] = await missingParts('adapter', '', { userAgent: CHROME, gpu: failing }, { isSecureContext: true });
  expect(part).toMatch(/^Driver/);
});
