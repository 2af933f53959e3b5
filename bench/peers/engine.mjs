// What the programs of the engines share: they read commands, a line of JSON each, and answer with one. Each engine runs in
// a process of its own, because two Dawn devices in one would share its queue and its shader cache.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

/** Makes `navigator.gpu` of Dawn, the same npm package that tilegrad uses, as a browser would have it. */
export async function openNavigator() {
  const { create, globals } = await import('webgpu');
  Object.assign(globalThis, globals);
  const navigator = { gpu: create([]), userAgent: 'node', hardwareConcurrency: 1 };
  Object.defineProperty(globalThis, 'navigator', { value: navigator, configurable: true });
}

/** Images as bytes, labels and kernels of a workload, as the coordinator wrote them into `folder`. */
export function readInputs(folder, shapes) {
  const bytes = (name) => new Uint8Array(readFileSync(join(folder, name)));
  const kernels = new Float32Array(bytes('kernels').buffer);
  let at = 0;
  return {
    images: bytes('images'),
    labels: bytes('labels'),
    kernels: shapes.map((shape) => {
      const size = shape.reduce((product, n) => product * n, 1);
      at += size;
      return kernels.slice(at - size, at);
    }),
  };
}

/**
 * Answers the coordinator until its pipe closes. `prepare(workload, inputs, shapes)` resolves to `{ check, run }`: figures that must
 * agree with the other engines', and what does `n` runs and resolves when their results are there.
 */
export async function serve(version, prepare) {
  const answer = (value) => process.stdout.write(`${JSON.stringify(value)}\n`);
  let work;
  answer({ version });
  for await (const line of createInterface({ input: process.stdin })) {
    const command = JSON.parse(line);
    try {
      if (command.do === 'prepare') {
        work = await prepare(command.workload, readInputs(command.folder, command.shapes), command.shapes);
        answer({ check: work.check });
      } else {
        const begun = performance.now();
        // An engine may leave out what it does once and not for each run.
        const ms = await work.run(command.runs);
        answer({ ms: ms ?? performance.now() - begun });
      }
    } catch (error) {
      answer({ error: String(error?.stack ?? error) });
    }
  }
  process.exit(0); // Dawn keeps a process alive while a device is open, and not every engine can close its own
}
