export interface Host {
  platform: string;
  arch: string;
  versions: { node: string };
}

export interface InstallState {
  lock: string;
  node: string;
  platform: string;
  arch: string;
}

export function installState(root: string, host?: Host): InstallState;
export function whyInstall(root: string, host?: Host): string | null;
export function recordInstall(root: string, host?: Host): void;
export function buildState(root: string): string;
export function whyBuild(root: string): string | null;
export function recordBuild(root: string, state: string): void;
