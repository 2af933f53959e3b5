import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Times from the start of a process to the end of the first training step of LeNet-5, batch 256. */
export interface StartTimes {
  /** Best of `rounds`, with an empty shader cache if the driver is Mesa or NVIDIA's. */
  coldMs: number;
  /** Best of `rounds`, with the shader cache that the previous process has filled. */
  warmMs: number;
  rounds: number;
}

/** start.ts, bundled into the same folder. */
const script = fileURLToPath(new URL('./start.js', import.meta.url));

export async function timeStart(rounds: number): Promise<StartTimes> {
  const times = { cold: [] as number[], warm: [] as number[] };
  for (let round = 0; round < rounds; round++) {
    const cache = mkdtempSync(join(tmpdir(), 'tilegrad-bench-'));
    try {
      times.cold.push(await timeFirstStep(cache));
      times.warm.push(await timeFirstStep(cache));
    } finally {
      rmSync(cache, { recursive: true, force: true });
    }
  }
  return { coldMs: Math.min(...times.cold), warmMs: Math.min(...times.warm), rounds };
}

/** Returns the milliseconds from the start of a process until it reports that its first step is done. */
function timeFirstStep(cache: string): Promise<number> {
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
