import { expect, test } from 'vitest';
import { Storage } from '../../src/gpu/storage.ts';
import { tensor } from '../../src/node.ts';
import { describeOnDevice } from '../support/device.ts';
import { DEFAULT_LIMITS, parseTraits, withTraits } from '../support/test-adapters.ts';

// Checks that the adapter of this run has the traits in TILEGRAD_TEST_ADAPTER: a run on another adapter would prove nothing.
const traits = parseTraits(process.env.TILEGRAD_TEST_ADAPTER ?? '');

/** Copies the first word of `source` and word 100 of it, which is beyond its end, into `out`. */
const READ_BEYOND = `
@group(0) @binding(0) var<storage, read> source: array<u32>;
@group(0) @binding(1) var<storage, read_write> out: array<u32>;
@compute @workgroup_size(1)
fn main() {
  out[0] = source[0];
  out[1] = source[100u * source[1]];
}`;

describeOnDevice(`the adapter of this run, ${traits.join(', ') || 'without traits'}`, (device) => {
  test('has default limits and no features exactly if the trait default-limits is set', () => {
    const isLeast = traits.includes('default-limits');
    expect(device.gpu.features.size === 0 || [...device.gpu.features].join() === 'core-features-and-limits').toBe(
      isLeast,
    );
    expect(device.subgroupLanes === null || !isLeast).toBe(true);
    const { maxBufferSize } = device.limits;
    if (isLeast) expect(maxBufferSize).toBe(DEFAULT_LIMITS.maxBufferSize);
    else expect(maxBufferSize).toBeGreaterThan(DEFAULT_LIMITS.maxBufferSize!);
  });

  test('is reported as a card exactly if the trait card is set', () => {
    expect(device.info.name === 'passes for a card').toBe(traits.includes('card'));
    if (traits.includes('card')) expect(device.info.isSoftware).toBe(false);
  });

  test.runIf(traits.includes('strict'))(
    'has new buffers that are not 0, and reads the last element beyond the end',
    async () => {
      const usage = GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST;
      const fresh = device.createBuffer({ size: 16, usage });
      using source = tensor(device, [7, 1, 8, 9], [4], { dtype: 'u32' });
      const pipeline = device.pipeline({ name: 'read_beyond', code: READ_BEYOND });
      device.dispatch(pipeline, [source.array.storage, fresh], [1, 1, 1]);
      const words = new Uint32Array(await device.read(new Storage(fresh, 0, 16, null)));
      expect([...words]).toEqual([7, 9, 0x01010101, 0x01010101]);
      device.destroyBuffer(fresh);
    },
  );
});

const adapterOf = (limits: object) => {
  const adapter = { features: new Set(['subgroups']), limits, info: {}, requestDevice: async () => 'a device' };
  return { requestAdapter: async () => adapter } as unknown as GPU;
};

test('default-limits: the adapter refuses features and higher limits, as WebGPU does', async () => {
  const adapter = await withTraits(adapterOf({ maxBufferSize: 2 ** 40 }), ['default-limits']).requestAdapter();
  const subgroups = { requiredFeatures: ['subgroups' as GPUFeatureName] };
  await expect(adapter!.requestDevice(subgroups)).rejects.toThrow(TypeError);
  await expect(adapter!.requestDevice({ requiredLimits: { maxBufferSize: 2 ** 28 + 4 } })).rejects.toThrow(
    /maxBufferSize/,
  );
  expect(await adapter!.requestDevice({ requiredLimits: { maxBufferSize: 2 ** 28 } })).toBe('a device');
});

test('traits: an unknown one throws', () => {
  expect(() => parseTraits('card,strikt')).toThrow(/strikt/);
  expect(parseTraits('card,strict')).toEqual(['card', 'strict']);
});
