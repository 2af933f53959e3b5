import type { BuildOptions } from 'esbuild';

export function buildModules(
  root: string,
  entryPoints: Record<string, string>,
  outdir: string,
  options: BuildOptions,
): Promise<void>;
