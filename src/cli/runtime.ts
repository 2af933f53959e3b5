/** The runtime's WebGPU, which the commands prefer to Dawn: `navigator.gpu` in Deno. Undefined in Node, which has none. */
export const runtimeGpu = (): GPU | undefined => (globalThis as { navigator?: { gpu?: GPU } }).navigator?.gpu;

/** Name and version, such as `Node 24.1.0` or `Deno 2.9.6`. Deno and Bun also report the version of Node that they emulate. */
export function runtimeName({ deno, bun, node }: NodeJS.ProcessVersions = process.versions): string {
  if (deno !== undefined) return `Deno ${deno}`;
  return bun === undefined ? `Node ${node}` : `Bun ${bun}`;
}
