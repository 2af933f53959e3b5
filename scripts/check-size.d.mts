export const PROGRAMS: readonly { name: string; budget: number; says: string }[];
export function bundleProgram(
  name: string,
  from?: { library?: string; nodePaths?: string[] },
): Promise<{ raw: number; gzip: number; code: string; modules: string[] }>;
