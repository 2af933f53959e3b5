import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { describeOnDevice } from './support/device.ts';

const root = join(import.meta.dirname, '..');
const readme = await readFile(join(root, 'README.md'), 'utf8');
const [network, tape, numbers, , replicas, branch, layer] = [...readme.matchAll(/```js\n([\s\S]*?)```/g)].map(
  (match) => match[1]!,
);

/** Runs code as a user would: against the built package, in a process of its own that has to end by itself. */
async function run(code: string): Promise<string> {
  const env = { ...process.env, TILEGRAD_DATA: '', TILEGRAD_CACHE: join(root, 'dist', 'no-cache') };
  const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', code], {
    cwd: root,
    env,
  });
  return stdout;
}

describeOnDevice('the README', () => {
  test('its network trains', async () => {
    const told = [...(await run(network!)).matchAll(/accuracy: ([\d.]+)/g)]; // in training, and of the test set
    expect(told).toHaveLength(4);
    expect(Number(told[3]![1])).toBeGreaterThan(0.9);
  });

  test('its gradient is what it says', async () => {
    const head = "import { openDevice, relu, sum, tensor } from 'tilegrad/node';\nconst device = await openDevice();\n";
    const stdout = await run(`${head}${tape}\ndevice.dispose();`);
    expect(stdout.replace(/\s+/g, ' ')).toContain('[ 1, 0, 1 ]');
  });

  test('its four points are told apart', async () => {
    const names = 'Adam, confusionMatrix, Dense, EarlyStopping, openDevice, Sequential';
    const head = `import { ${names} } from 'tilegrad/node';\nconst device = await openDevice();\n`;
    const stdout = await run(`${head}${numbers}\ndevice.dispose();`);
    expect(stdout.replace(/\s+/g, ' ')).toContain('[ [ 2, 0 ], [ 0, 2 ] ]');
  });

  test('its network with a branch and its own layer are built', async () => {
    const names = 'Add, Conv2D, Dense, GlobalAveragePooling2D, input, Layer, Model, mul, openDevice, Sequential';
    const head = `import { ${names} } from 'tilegrad/node';\nconst device = await openDevice();\n`;
    const stdout = await run(`${head}{${branch}\nconsole.log(model.countParams());}\n${layer}\ndevice.dispose();`);
    expect(stdout.replace(/\s+/g, ' ')).toBe('84 Float32Array(2) [ 10, 10 ] ');
  });

  test('its ten models train at once', async () => {
    const names = 'Adam, Dense, firstImages, Flatten, ImageLoader, loadDataset, openDevice, Sequential';
    const head = `import { ${names} } from 'tilegrad/node';
      const device = await openDevice();
      const { train, test } = await loadDataset('mnist');
      const images = new ImageLoader(device, train);
      const validationData = new ImageLoader(device, firstImages(test, 100));\n`;
    const stdout = await run(`${head}${replicas}\ndevice.dispose();`);
    const accuracies = [...stdout.matchAll(/accuracy: ([\d.]+)/g)].map(([, digits]) => Number(digits));
    expect(accuracies).toHaveLength(10);
    expect(Math.min(...accuracies)).toBeGreaterThan(0.7);
    expect(new Set(accuracies).size).toBeGreaterThan(2);
  });
});

test('every file and folder it links to exists', async () => {
  const links = [...readme.matchAll(/\]\((?!https?:)([^)#]+)\)/g)].map((match) => match[1]!);
  expect(links.length).toBeGreaterThan(3);
  for (const link of links) await expect(readFile(join(root, link)).catch((e) => e.code)).resolves.not.toBe('ENOENT');
});
