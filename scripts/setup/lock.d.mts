export function withLock<T>(path: string, onWait: (holder: string) => void, work: () => Promise<T>): Promise<T>;
