/** Information about the adapter of a device; plain data, written into every `run.json`. */
export interface AdapterInfo {
  /** Most specific name that WebGPU reports, such as `llvmpipe` or `nvidia-h200`. */
  name: string;
  /** Vendor of the adapter or of its driver, such as `nvidia` or `mesa`; empty if WebGPU hides it. */
  vendor: string;
  /** Family of the adapter, such as `hopper`; empty if WebGPU hides it. */
  architecture: string;
  /** Driver and version, such as `Mesa 25.0.7-2~bpo12+1 (LLVM 15.0.6) 0.0.1`; empty if WebGPU hides it. */
  driver: string;
  /** True for lavapipe, SwiftShader and WARP, which run kernels on the CPU; reports must say so. */
  isSoftware: boolean;
  /** WebGPU features of the adapter, sorted. */
  features: string[];
  /** WebGPU limits of the adapter, by their names. */
  limits: Record<string, number>;
}

/** Counters of a device since it was opened. Tests assert them; `run.json` records them. */
export interface Counters {
  /** Kernel runs that were submitted. */
  dispatches: number;
  /** Command buffers submitted to the queue. */
  submits: number;
  /** Compute pipelines compiled. */
  pipelinesCreated: number;
  /** Bind groups created. */
  bindGroupsCreated: number;
  /** Buffers created. */
  buffersCreated: number;
  /** Current bytes of the buffers of tensors and recorded steps, including buffers kept for reuse. */
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

/** Vendors of GPUs and drivers by PCI and Vulkan number, which some implementations report instead of a name. */
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

/** A name that WebGPU reports; empty for a number, which wgpu reports. */
const nameOf = (text = ''): string => (NUMBER.test(text) ? '' : text);

/** Collects the information of an adapter. Browsers hide most of it on purpose; Dawn in Node reports everything. */
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
  // With Dawn on Vulkan, the description is the driver's name and version. A software renderer is named after its driver, because its
  // device lists build options; the driver of a GPU is named after the vendor only. In wgpu, which reports no
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
