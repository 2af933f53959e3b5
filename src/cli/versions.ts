import { arch, platform, release } from 'node:os';
import { version as tilegrad } from '../../package.json';
import { packageVersion } from './installed.ts';
import { runtimeGpu, runtimeName } from './runtime.ts';

export interface Versions {
  tilegrad: string;
  node: string;
  /** Implementation of WebGPU: version of the npm package that holds Dawn, or `Deno 2.9.6`. Empty if there is none. */
  webgpu: string;
  /** Such as `linux x64 6.1.0`. */
  platform: string;
}

/** Returns the versions that results may depend on in addition to the source code. */
export function versions(): Versions {
  // Empty if it is not installed: `doctor` reports that, and no other command runs without it.
  const webgpu = runtimeGpu() === undefined ? (packageVersion('webgpu') ?? '') : runtimeName();
  return { tilegrad, node: process.versions.node, webgpu, platform: `${platform()} ${arch()} ${release()}` };
}
