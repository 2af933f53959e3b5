/** What is known of the adapter behind a device; plain data, written into every `run.json`. */
export interface AdapterInfo {
  /** `llvmpipe`, `nvidia-h200`, ...: the most telling of what WebGPU says. */
  name: string;
  vendor: string;
  architecture: string;
  /** Driver and version, such as `Mesa 25.0.7-2~bpo12+1 (LLVM 15.0.6) 0.0.1`; empty where WebGPU hides it. */
  driver: string;
  /** True for lavapipe, SwiftShader, WARP: kernels run on the CPU, and figures must say so. */
  isSoftware: boolean;
  features: string[];
  limits: Record<string, number>;
}

/** What a device has done since it was opened. Tests assert these; `run.json` keeps them. */
export interface Counters {
  dispatches: number;
  submits: number;
  pipelinesCreated: number;
  bindGroupsCreated: number;
  buffersCreated: number;
  bytesAllocated: number;
  bytesUploaded: number;
  bytesReadBack: number;
  readBacks: number;
}

/** Names of adapters that compute on the CPU. */
const SOFTWARE = /llvmpipe|lavapipe|swiftshader|basic render|warp/i;
const SOFTWARE_DRIVER = /^(llvmpipe|lavapipe|swiftshader)(: |$)/i;

/** What an adapter says of itself. Browsers hide most of it on purpose; Dawn in Node tells all. */
export function describeAdapter(adapter: GPUAdapter): AdapterInfo {
  const { vendor, architecture, device, description, isFallbackAdapter } = adapter.info;
  const limits: Record<string, number> = {};
  for (const key in adapter.limits) {
    const value = (adapter.limits as unknown as Record<string, unknown>)[key];
    if (typeof value === 'number') limits[key] = value;
  }
  // In Dawn's Vulkan the description is the driver's name and version. A software renderer is named by its driver, its
  // device being a list of what it was built with; a card's driver is only called after the maker.
  const [prefix = '', renderer] = SOFTWARE_DRIVER.exec(description) ?? [];
  return {
    name: renderer || device || description || `${vendor} ${architecture}`.trim() || 'unnamed adapter',
    vendor,
    architecture,
    driver: description.slice(prefix.length),
    isSoftware: isFallbackAdapter || SOFTWARE.test(`${device} ${description} ${architecture}`),
    features: [...adapter.features].sort(),
    limits,
  };
}
