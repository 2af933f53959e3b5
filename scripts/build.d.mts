import type { BuildOptions } from 'esbuild';

export const OPTIONS: BuildOptions;
export function bundle(entryPoints: Record<string, string>, outdir: string): Promise<void>;
export function buildAll(): Promise<void>;
