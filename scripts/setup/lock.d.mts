export type Lock = { holder: null; release(): void } | { holder: string };
export function tryLock(path: string, options?: { beats?: boolean }): Lock;
export function lockHolder(path: string): string | null;
export function withLock<T>(path: string, onWait: (holder: string) => void, work: () => Promise<T>): Promise<T>;
export function takeShortLock(path: string): { release(): void };
