// Shared by the programs of the engines: they read commands, each a line of JSON, and answer each with a line. Each engine runs in a
// separate process, because two Dawn devices in one process would share its queue and its shader cache.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

/** Defines `navigator.gpu` as in a browser, with Dawn from the npm package that tilegrad uses. */
export async function openNavigator() {
  const { create, globals } = await import('webgpu');
  Object.assign(globalThis, globals);
  const navigator = { gpu: create([]), userAgent: 'node', hardwareConcurrency: 1 };
  Object.defineProperty(globalThis, 'navigator', { value: navigator, configurable: true });
}

/** Reads images as bytes, labels and kernels of a workload, which the coordinator has written into `folder`. */
export function readInputs(folder, shapes) {
  const bytes = (name) => new Uint8Array(readFileSync(join(folder, name)));
  const kernels = new Float32Array(bytes('kernels').buffer);
  let offset = 0;
  return {
    images: bytes('images'),
    labels: bytes('labels'),
    kernels: shapes.map((shape) => {
      const size = shape.reduce((product, n) => product * n, 1);
      offset += size;
      return kernels.slice(offset - size, offset);
    }),
  };
}

/**
 * Answers the coordinator until its pipe closes. `prepare(workload, inputs, shapes)` resolves to `{ check, run }`: values that must
 * agree with those of the other engines, and a function that does `n` runs and resolves when their results are there.
 */
export async function serve(version, prepare) {
  const answer = (value) => process.stdout.write(`${JSON.stringify(value)}\n`);
  let program;
  answer({ version });
  for await (const line of createInterface({ input: process.stdin })) {
    const command = JSON.parse(line);
    try {
      if (command.do === 'prepare') {
        program = await prepare(command.workload, readInputs(command.folder, command.shapes), command.shapes);
        answer({ check: program.check });
      } else {
        const begun = performance.now();
        // An engine may return its own time, without work that it does only once.
        const ms = await program.run(command.runs);
        answer({ ms: ms ?? performance.now() - begun });
      }
    } catch (error) {
      answer({ error: String(error?.stack ?? error) });
    }
  }
  process.exit(0); // Dawn keeps a process alive while a device is open, and not every engine can close its device
}
