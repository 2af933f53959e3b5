import type { Metafile } from 'esbuild';

export function buildWeb(root: string, library?: string, out?: string): Promise<Metafile[]>;
export function writeSamples(root: string, folder?: string): Promise<void>;
