import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** From the start of a process to the end of the first training step of LeNet-5, batch 256. */
export interface StartTimes {
  /** With an empty shader cache, which Mesa and NVIDIA's driver can be given; best of `rounds`, as the other. */
  coldMs: number;
  /** With what the run before has left there. */
  warmMs: number;
  rounds: number;
}

/** start.ts, bundled beside this. */
const script = fileURLToPath(new URL('./start.js', import.meta.url));

export async function timeStart(rounds: number): Promise<StartTimes> {
  const times = { cold: [] as number[], warm: [] as number[] };
  for (let round = 0; round < rounds; round++) {
    const cache = mkdtempSync(join(tmpdir(), 'tilegrad-bench-'));
    try {
      times.cold.push(await firstStep(cache));
      times.warm.push(await firstStep(cache));
    } finally {
      rmSync(cache, { recursive: true, force: true });
    }
  }
  return { coldMs: Math.min(...times.cold), warmMs: Math.min(...times.warm), rounds };
}

/** Milliseconds from the birth of a process until it says that its first step is done. */
function firstStep(cache: string): Promise<number> {
  const env = { ...process.env, MESA_SHADER_CACHE_DIR: cache, __GL_SHADER_DISK_CACHE_PATH: cache };
  return new Promise((resolve, reject) => {
    const begun = performance.now();
    let ms = Number.NaN;
    const child = spawn(process.execPath, [script], { env, stdio: ['ignore', 'pipe', 'inherit'] });
    child.stdout.once('data', () => {
      ms = performance.now() - begun;
    });
    child.on('error', reject);
    child.on('close', (code) => {
      if (code === 0 && ms > 0) resolve(ms);
      else reject(new Error(`the process that times the start ended with exit code ${code}`));
    });
  });
}
