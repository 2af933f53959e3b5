/** What is known of the adapter behind a device; plain data, written into every `run.json`. */
export interface AdapterInfo {
  /** `llvmpipe`, `nvidia-h200`, ...: the most telling of what WebGPU says. */
  name: string;
  /** Maker of the adapter or of its driver, such as `nvidia` or `mesa`; empty where WebGPU hides it. */
  vendor: string;
  /** Family of the adapter, such as `hopper`; empty where WebGPU hides it. */
  architecture: string;
  /** Driver and version, such as `Mesa 25.0.7-2~bpo12+1 (LLVM 15.0.6) 0.0.1`; empty where WebGPU hides it. */
  driver: string;
  /** True for lavapipe, SwiftShader, WARP: kernels run on the CPU, and figures must say so. */
  isSoftware: boolean;
  /** WebGPU features of the adapter, sorted. */
  features: string[];
  /** WebGPU limits of the adapter, by their names. */
  limits: Record<string, number>;
}

/** What a device has done since it was opened. Tests assert these; `run.json` keeps them. */
export interface Counters {
  /** Kernel runs that were submitted. */
  dispatches: number;
  /** Command buffers given to the queue. */
  submits: number;
  /** Compute pipelines compiled. */
  pipelinesCreated: number;
  /** Bind groups created. */
  bindGroupsCreated: number;
  /** Buffers created. */
  buffersCreated: number;
  /** Bytes of the buffers of tensors and recorded steps that exist now, those kept for reuse included. */
  bytesAllocated: number;
  /** Bytes copied from the host to the adapter. */
  bytesUploaded: number;
  /** Bytes copied from the adapter to the host. */
  bytesReadBack: number;
  /** Copies from the adapter to the host. */
  readBacks: number;
}

/** Names of adapters that compute on the CPU. */
const SOFTWARE = /llvmpipe|lavapipe|swiftshader|basic render|warp/i;
const SOFTWARE_DRIVER = /^(llvmpipe|lavapipe|swiftshader)(: | (?=\()|$)/i;

/** Makers of GPUs and of their drivers by the number that they have in PCI and Vulkan, which some implementations give instead of a name. */
const VENDORS: Readonly<Record<number, string>> = {
  4098: 'amd',
  4203: 'apple',
  4318: 'nvidia',
  5045: 'arm',
  5140: 'microsoft',
  6880: 'google',
  20803: 'qualcomm',
  32902: 'intel',
  65541: 'mesa',
};
const NUMBER = /^(0x[0-9a-f]+|\d+)$/i;

/** A name as WebGPU gives it; numbers, as wgpu gives them, name nothing. */
const nameOf = (text = ''): string => (NUMBER.test(text) ? '' : text);

/** What an adapter says of itself. Browsers hide most of it on purpose; Dawn in Node tells all. */
export function describeAdapter(adapter: GPUAdapter): AdapterInfo {
  const info: Partial<GPUAdapterInfo> = adapter.info ?? {};
  const { vendor: maker = '', description = '', isFallbackAdapter = false } = info;
  const vendor = NUMBER.test(maker) ? (VENDORS[Number(maker)] ?? '') : maker;
  const [architecture, device] = [nameOf(info.architecture), nameOf(info.device)];
  const limits: Record<string, number> = {};
  for (const key in adapter.limits) {
    const value = (adapter.limits as unknown as Record<string, unknown>)[key];
    if (typeof value === 'number') limits[key] = value;
  }
  // In Dawn's Vulkan the description is the driver's name and version. A software renderer is named by its driver, its
  // device being a list of what it was built with; a card's driver is only called after the maker. In wgpu, which names no
  // device, the description is the adapter's name.
  const [prefix = '', renderer] = SOFTWARE_DRIVER.exec(description) ?? [];
  const name = renderer || device || description || `${vendor} ${architecture}`.trim() || 'unnamed adapter';
  return {
    name,
    vendor,
    architecture,
    driver: name === description ? '' : description.slice(prefix.length).replace(/^\((.*)\)$/, '$1'),
    isSoftware: isFallbackAdapter || SOFTWARE.test(`${device} ${description} ${architecture}`),
    features: [...adapter.features].sort(),
    limits,
  };
}
