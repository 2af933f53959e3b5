/** What is known of the adapter behind a device; plain data, written into every `run.json`. */
export interface AdapterInfo {
  /** Human name, such as `llvmpipe (LLVM 15.0.6, 256 bits)`. */
  name: string;
  vendor: string;
  architecture: string;
  /** Driver name and version as the driver states it, such as `Mesa 25.0.7-2~bpo12+1 (LLVM 15.0.6)`; empty where WebGPU hides it. */
  driver: string;
  /** `vulkan`, `metal`, `d3d12`, ...; empty where WebGPU hides it. */
  backend: string;
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
