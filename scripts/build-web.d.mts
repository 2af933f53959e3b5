import type { Metafile } from 'esbuild';

export function buildWeb(root: string): Promise<Metafile>;
