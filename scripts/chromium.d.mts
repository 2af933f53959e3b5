import type { Browser } from 'playwright-core';

export const NO_CHROMIUM: string;
export const SWIFTSHADER: readonly string[];
export function findChromium(env?: NodeJS.ProcessEnv, exists?: (path: string) => boolean): string | null;
export function launchChromium(flags?: readonly string[]): Promise<Browser>;
