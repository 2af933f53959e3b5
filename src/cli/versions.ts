import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { arch, platform, release } from 'node:os';
import { version as tilegrad } from '../../package.json';

export interface Versions {
  tilegrad: string;
  node: string;
  /** The npm package that holds Dawn; empty when it is not installed. */
  webgpu: string;
  /** Such as `linux x64 6.1.0`. */
  platform: string;
}

/** Everything outside the source that a figure may depend on. */
export function versions(): Versions {
  let webgpu = '';
  try {
    const path = createRequire(import.meta.url).resolve('webgpu/package.json');
    webgpu = (JSON.parse(readFileSync(path, 'utf8')) as { version: string }).version;
  } catch {
    // Not installed: doctor says so, and nothing else runs without it.
  }
  return { tilegrad, node: process.versions.node, webgpu, platform: `${platform()} ${arch()} ${release()}` };
}
