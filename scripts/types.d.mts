export function writeTypes(outdir: string): void;
export function portable(path: string, text: string): string;
