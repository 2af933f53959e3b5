export interface Machine {
  platform: string;
  osRelease: string;
  isRoot: boolean;
  aptSources: { path: string; text: string }[];
  workDir: string;
}

export interface DriverPlan {
  canRun: boolean;
  explanation: string;
  commands: string[];
  temporarySources: string;
}

export function planDriverInstall(machine: Machine): DriverPlan;
