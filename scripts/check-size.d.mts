export const PROGRAMS: readonly { name: string; budget: number; says: string }[];
export function bundleProgram(
  name: string,
  from?: { library?: string; nodePaths?: string[] },
): Promise<{ raw: number; gzip: number; code: string; modules: string[] }>;
export const PAGE: { files: readonly string[]; budget: number };
export function measurePage(folder?: string, names?: readonly string[]): { raw: number; gzip: number; names: string[] };
