import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { findDeno } from '../scripts/deno/deno.mjs';
import { bundleBeforeTests, type Ended, runToEnd } from './support/process.ts';

const root = join(import.meta.dirname, '..');
const cli = bundleBeforeTests('src/cli/main.ts');
const deno = findDeno();
const without = deno === null ? ' (skipped: Deno is not installed; `npm run test:wgpu` installs it)' : '';
if (without !== '') console.error(`SKIPPED, every test of Deno as a user has it:${without}`);

const RUN = ['run', '-A', '--unstable-webgpu'];

/** Runs a command of Deno until it ends by itself. */
const inDeno = (words: string[]): Promise<Ended> =>
  runToEnd(words, { command: deno!, cwd: root, env: { NO_COLOR: '1', DENO_NO_UPDATE_CHECK: '1' } });

describe.skipIf(deno === null)(`Deno${without}`, () => {
  test('examples/deno.mjs: trains on navigator.gpu, and ends', async () => {
    const { code, out, err } = await inDeno([...RUN, join(root, 'examples/deno.mjs')]);
    expect(code, err).toBe(0);
    expect(out).toMatch(/^adapter: \S/);
    const accuracies = [...out.matchAll(/accuracy:? ([\d.]+)/g)].map(([, digits]) => Number(digits));
    expect(accuracies).toHaveLength(4); // for three epochs, and for the test set
    expect(accuracies[3]).toBeGreaterThan(0.8);
  });

  test('tilegrad doctor: finds the adapter by navigator.gpu and trains on it', async () => {
    const { code, out, err } = await inDeno([...RUN, cli, 'doctor', '--json']);
    expect(code, err).toBe(0);
    const { ok, checks, versions, adapter, training } = JSON.parse(out);
    expect(ok).toBe(true);
    expect(versions.webgpu).toMatch(/^Deno \d+\.\d+\.\d+$/);
    const details = Object.fromEntries(
      checks.map(({ name, detail }: { name: string; detail: string }) => [name, detail]),
    );
    expect(details.node).toMatch(/^Deno \S+, as Node \S+$/);
    expect(details.webgpu).toBe(`navigator.gpu of ${versions.webgpu}`);
    expect(details.adapter).toContain(adapter.name);
    expect(training.losses.at(-1)).toBeLessThan(training.losses[0] / 2);
  });

  test('openDevice({ gpu }): leaves waiting to Deno, whose event loop must not sleep', async () => {
    const code = `import { openDevice, relu, tensor } from 'tilegrad/node';
      const device = await openDevice({ gpu: navigator.gpu });
      Atomics.wait = () => { throw new Error('the event loop was made to sleep'); };
      for (let i = 0; i < 5; i++) console.log(...await relu(tensor(device, [i, -i], [2])).data());
      device.dispose();`;
    const { out, err } = await inDeno(['eval', '--unstable-webgpu', code]);
    expect(err).toBe('');
    expect(out).toBe('0 0\n1 0\n2 0\n3 0\n4 0\n');
  });

  test('a read-back from a lost device throws DeviceLostError', async () => {
    const code = `import { openDevice, tensor } from 'tilegrad/node';
      const device = await openDevice({ gpu: navigator.gpu });
      const reading = tensor(device, [1], [1]).data().then(() => 'read', (error) => error.name);
      device.gpu.destroy(); // as a driver reset does
      console.log(await reading);
      device.dispose();`;
    const { out, err } = await inDeno(['eval', '--unstable-webgpu', code]);
    expect(err).toBe('');
    expect(out).toBe('DeviceLostError\n');
  });
});
