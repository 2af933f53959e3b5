export function writeTypes(outdir: string): void;
export function toPortable(path: string, text: string): string;
