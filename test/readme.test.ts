import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { loadSafetensors } from '../src/node.ts';
import { pretrainedFile } from './experiments/pretrained.ts';
import { kerasModels, kerasSamples, unpacked } from './golden/files/files.ts';
import { describeOnDevice } from './support/device.ts';

const root = join(import.meta.dirname, '..');
const readme = await readFile(join(root, 'README.md'), 'utf8');
const [network, tape, loop, numbers, transfer, fineTuning, keras, plots, , search, replicas, branch, layer] = [
  ...readme.matchAll(/```js\n([\s\S]*?)```/g),
].map((match) => match[1]!);

/** Runs code as a user would: against the built package, in a process of its own that has to end by itself. */
async function run(code: string, variables: Record<string, string> = {}): Promise<string> {
  const env = { ...process.env, TILEGRAD_DATA: '', TILEGRAD_CACHE: join(root, 'dist', 'no-cache'), ...variables };
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

  test('its own loop finds the line through three points', async () => {
    const names = 'Adam, compileStep, Dense, mean, openDevice, Sequential, square, sub';
    const head = `import { ${names} } from 'tilegrad/node';
      const device = await openDevice();
      const model = new Sequential([new Dense({ units: 1, kernelInitializer: 'zeros', inputShape: [1] })]).build(device);\n`;
    const stdout = await run(`${head}${loop!.replace('0.01', '0.1')}\ndevice.dispose();`);
    expect(Number(/\[\[(.*)\]\]/.exec(stdout)?.[1])).toBeCloseTo(2, 1);
  });

  test('its plots and its report are files', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'tilegrad-plots-'));
    const code = plots!.replaceAll(/'(curves\.png|report\.html)'/g, (_, name) => JSON.stringify(join(folder, name)));
    await run(`import { createReport, plotHistory, section } from 'tilegrad/report';
      const history = { epochs: [{ epoch: 1, loss: 2 }, { epoch: 2, loss: 1 }] };
      ${code}`);
    const [png, page] = [readFileSync(join(folder, 'curves.png')), readFileSync(join(folder, 'report.html'), 'utf8')];
    rmSync(folder, { recursive: true });
    expect(png.subarray(1, 4).toString()).toBe('PNG');
    expect(page).toContain('<svg');
  });

  test('its four points are told apart', async () => {
    const names = 'Adam, confusionMatrix, Dense, EarlyStopping, openDevice, Sequential';
    const head = `import { ${names} } from 'tilegrad/node';\nconst device = await openDevice();\n`;
    const stdout = await run(`${head}${numbers}\ndevice.dispose();`);
    expect(stdout.replace(/\s+/g, ' ')).toContain('[ [ 2, 0 ], [ 0, 2 ] ]');
  });

  test('its extractor stays as it is, and the layers behind it learn', async () => {
    // Weights that are drawn stand in for the published ones, which stay out of the repository.
    const weights = mkdtempSync(join(tmpdir(), 'tilegrad-weights-'));
    const drawn = [
      ...loadSafetensors(pretrainedFile(weights, { alpha: 0.35, rows: 96 })).tensors.get('Conv1/kernel')!.data,
    ];
    const names =
      'Adam, Dense, firstImages, GlobalAveragePooling2D, ImageLoader, loadDataset, mobileNetV2, openDevice, Rescaling, Resizing, Sequential';
    const head = `import { ${names} } from 'tilegrad/node';
      const device = await openDevice();
      const { train } = await loadDataset('cifar10');
      const images = new ImageLoader(device, firstImages(train, 100));
      const losses = [];\n`;
    const watched = transfer!.replace(
      'epochs: 8',
      'epochs: 8, callbacks: [{ onEpochEnd: ({ loss }) => losses.push(loss) }]',
    );
    const tuned = fineTuning!.replace('epochs: 5', 'epochs: 1');
    const tail = `const conv = model.weights.find(({ name }) => name.endsWith('Conv1/kernel'));
      const values = (await conv.tensor.data()).slice(0, 3);
      console.log(JSON.stringify({ losses, values: [...values], changing: model.trainableWeights.length }));
      ${tuned}
      console.log(JSON.stringify({ thawed: extractor.layers.length - from, after: model.trainableWeights.length }));
      device.dispose();`;
    const [first, second] = (await run(`${head}${watched}\n${tail}`, { TILEGRAD_WEIGHTS: weights })).trim().split('\n');
    const { losses, values, changing } = JSON.parse(first!);
    const { thawed, after } = JSON.parse(second!);
    rmSync(weights, { recursive: true });
    expect(losses).toHaveLength(8);
    expect(losses[7]).toBeLessThan(losses[0]);
    expect(changing).toBe(2);
    expect(thawed).toBe(118);
    expect(after).toBe(13 * 3 + 1 + 2); // kernels of 13 blocks and of Conv_1, and the head
    expect(values).toEqual(drawn.slice(0, 3));
  });

  test("its reading of Keras's files gives the outputs that NumPy has for them", async () => {
    const folder = mkdtempSync(join(tmpdir(), 'tilegrad-keras-'));
    const { files, outputs, inputShape } = kerasModels.sequential;
    for (const name of ['model.h5', 'weights.h5']) writeFileSync(join(folder, name), unpacked(files['model-2.h5']));
    const code = keras!.replaceAll(/'((?:model|weights)\.h5)'/g, (_, name) => JSON.stringify(join(folder, name)));
    const inputs = [...kerasSamples(3, inputShape)];
    const stdout = await run(`import { loadKeras, loadKerasWeights, openDevice } from 'tilegrad/node';
      const device = await openDevice();
      ${code}
      console.log(JSON.stringify([...(await model.predict({ shape: ${JSON.stringify([3, ...inputShape])}, data: Float32Array.from(${JSON.stringify(inputs)}) }))]));
      device.dispose();`);
    rmSync(folder, { recursive: true });
    expect(JSON.parse(stdout)).toEqual(outputs.map((value) => expect.closeTo(value, 5)));
  });

  test('its network with a branch and its own layer are built', async () => {
    const names = 'Add, Conv2D, Dense, GlobalAveragePooling2D, input, Layer, Model, mul, openDevice, Sequential';
    const head = `import { ${names} } from 'tilegrad/node';\nconst device = await openDevice();\n`;
    const stdout = await run(`${head}{${branch}\nconsole.log(model.countParams());}\n${layer}\ndevice.dispose();`);
    expect(stdout.replace(/\s+/g, ' ')).toBe('84 Float32Array(2) [ 10, 10 ] ');
  });

  test('its search finds the best of five trials, and the same program goes on with it', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'tilegrad-search-'));
    const names =
      'Adam, Dense, firstImages, Flatten, ImageLoader, loadDataset, openDevice, RandomSearch, Sequential, TerminateOnNaN';
    const code = `import { ${names} } from 'tilegrad/node';
      const device = await openDevice();
      const { train, test } = await loadDataset('mnist');
      const images = new ImageLoader(device, firstImages(train, 500));
      const validationData = new ImageLoader(device, firstImages(test, 100));
      ${search!.replace("directory: 'search'", `directory: ${JSON.stringify(folder)}`)}
      console.log(JSON.stringify({ accuracy: (await model.evaluate(validationData, { batchSize: 32 })).accuracy, built: again.built }));
      device.dispose();`;
    const [first, second] = [await run(code), await run(code)];
    rmSync(folder, { recursive: true });
    expect(second).toBe(first);
    expect(first).toContain('|-Trials: 5 completed');
    const [best, ...others] = [...first.matchAll(/\|-Score: ([\d.]+)/g)].map(([, score]) => Number(score));
    expect(others).toHaveLength(2);
    expect(Math.max(...others)).toBeLessThanOrEqual(best!);
    expect(JSON.parse(first.trim().split('\n').at(-1)!)).toEqual({ accuracy: best, built: true });
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
