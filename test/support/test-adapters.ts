/** Limits that every WebGPU adapter has at least, of those that count for computing (WebGPU specification, 3.6.2 "Limits"). */
export const DEFAULT_LIMITS: Readonly<Record<string, number>> = {
  maxBindGroups: 4,
  maxBindingsPerBindGroup: 1000,
  maxDynamicUniformBuffersPerPipelineLayout: 8,
  maxDynamicStorageBuffersPerPipelineLayout: 4,
  maxStorageBuffersPerShaderStage: 8,
  maxUniformBuffersPerShaderStage: 12,
  maxUniformBufferBindingSize: 64 * 2 ** 10,
  maxStorageBufferBindingSize: 128 * 2 ** 20,
  minUniformBufferOffsetAlignment: 256,
  minStorageBufferOffsetAlignment: 256,
  maxBufferSize: 256 * 2 ** 20,
  maxComputeWorkgroupStorageSize: 16 * 2 ** 10,
  maxComputeInvocationsPerWorkgroup: 256,
  maxComputeWorkgroupSizeX: 256,
  maxComputeWorkgroupSizeY: 256,
  maxComputeWorkgroupSizeZ: 64,
  maxComputeWorkgroupsPerDimension: 65535,
};

/** The info of a GPU, so that the kernels for GPUs are selected. */
const CARD = {
  vendor: 'nvidia',
  architecture: '',
  device: 'passes for a card',
  description: '',
  isFallbackAdapter: false,
};

/** Dawn's flags for bounds and memory as on Metal and Direct3D 12, whose out-of-bounds reads and new buffers are not 0. */
const STRICT_FLAGS = [
  // Without this extension of Vulkan, indices are clamped: a read out of bounds returns another element and not 0.
  'disable-dawn-features=vulkan_use_buffer_robust_access_2,lazy_clear_resource_on_first_use',
  'enable-dawn-features=nonzero_clear_resources_on_creation_for_testing',
];

/**
 * Traits of the adapter of the tests:
 * - `default-limits`: default limits and no features, which every adapter has at least
 * - `card`: reports itself as a GPU, so that the kernels for GPUs are selected
 * - `strict`: new buffers hold 0x01 in each byte, and reads out of bounds are clamped; only on Dawn
 */
export const ADAPTER_TRAITS = ['default-limits', 'card', 'strict'] as const;
export type AdapterTrait = (typeof ADAPTER_TRAITS)[number];

/** The traits in a list such as `card,strict`. @throws Error for an unknown trait, because the run would test another adapter */
export function parseTraits(text: string): AdapterTrait[] {
  const words = text.split(',').filter((word) => word !== '');
  const isTrait = (word: string): word is AdapterTrait => (ADAPTER_TRAITS as readonly string[]).includes(word);
  if (words.every(isTrait)) return words;
  throw new Error(`TILEGRAD_TEST_ADAPTER lists some of ${ADAPTER_TRAITS.join(', ')}, but is ${JSON.stringify(text)}`);
}

/** A GPU object whose adapters have these traits: of the runtime where it has WebGPU, as Deno, else of Dawn. */
export async function testGpu(traits: readonly AdapterTrait[]): Promise<GPU> {
  return withTraits(await underlyingGpu(traits.includes('strict')), traits);
}

/** As `openDevice`, a Dawn instance for each device: an instance that is held keeps the process alive. */
async function underlyingGpu(isStrict: boolean): Promise<GPU> {
  const { gpu } = (globalThis as { navigator?: { gpu?: GPU } }).navigator ?? {};
  if (gpu) {
    if (isStrict)
      throw new Error('TILEGRAD_TEST_ADAPTER: strict sets flags of Dawn, but this runtime has another WebGPU');
    return gpu;
  }
  const { create, globals } = await import('webgpu');
  Object.assign(globalThis, globals);
  return create(isStrict ? STRICT_FLAGS : []);
}

/** A GPU object whose adapters compute like those of `gpu`, but offer less or report other info. */
export function withTraits(gpu: GPU, traits: readonly AdapterTrait[]): GPU {
  const requestAdapter = async (options?: GPURequestAdapterOptions) => {
    const adapter = await gpu.requestAdapter(options);
    return adapter && adapterWithTraits(adapter, traits);
  };
  return { requestAdapter } as GPU;
}

function adapterWithTraits(adapter: GPUAdapter, traits: readonly AdapterTrait[]): GPUAdapter {
  const isLeast = traits.includes('default-limits');
  const features: ReadonlySet<string> = isLeast ? new Set() : adapter.features;
  const limits = isLeast ? DEFAULT_LIMITS : (adapter.limits as unknown as Readonly<Record<string, number>>);
  /** Refuses what the adapter does not offer, as WebGPU does. */
  const requestDevice = async (descriptor: GPUDeviceDescriptor = {}) => {
    const missing = [...(descriptor.requiredFeatures ?? [])].find((name) => !features.has(name));
    if (missing !== undefined) throw new TypeError(`requestDevice: the adapter does not have the feature ${missing}`);
    for (const [name, value] of Object.entries(descriptor.requiredLimits ?? {})) {
      if (value === undefined || value <= (limits[name] ?? 0)) continue;
      throw new DOMException(`requestDevice: ${name} is ${limits[name]}, but ${value} was asked for`, 'OperationError');
    }
    return adapter.requestDevice(descriptor);
  };
  return {
    features,
    limits,
    info: traits.includes('card') ? CARD : adapter.info,
    requestDevice,
  } as unknown as GPUAdapter;
}
