import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { type Dataset, decodeSafetensors, loadDataset } from '../../src/node.ts';
import { DEFAULTS, type Settings } from '../../web/src/settings.ts';
import { nodeProgram } from '../../web/src/worker/downloads.ts';
import { Session } from '../../web/src/worker/session.ts';
import { describeOnDevice } from '../support/device.ts';
import { runToEnd } from '../support/process.ts';

const root = join(import.meta.dirname, '../..');
// Within the repository, so that Node resolves the package by its name, as in a project that has it installed.
const folder = mkdtempSync(join(root, 'dist', 'node-program-'));
afterAll(() => rmSync(folder, { recursive: true }));

/** The sample of the pages. */
const sampleOf = (name: Dataset['name']) => {
  const dir = join(root, 'data/sample', name === 'mnist' ? 'mnist' : 'cifar-10-binary-sample.tar.gz');
  return loadDataset(name, { dir });
};

/** Runs a program as a user does, in a separate process that must end by itself. */
async function run(program: string): Promise<string> {
  const file = join(folder, 'train.mjs');
  writeFileSync(file, program);
  // The user's tuner cache must not affect the program. Without its path, other data would be found first.
  const env = { TILEGRAD_DATA: '', TILEGRAD_CACHE: join(folder, 'cache') };
  const { code, out, err } = await runToEnd([file], { cwd: folder, env });
  expect(code, err).toBe(0);
  return out;
}

describeOnDevice('nodeProgram', (device) => {
  const cases: [string, Settings, number][] = [
    ['LeNet-5 with Adam', { ...DEFAULTS, batch: 100 }, 1],
    [
      'an MLP with momentum and an L2 penalty, two at once, on CIFAR-10',
      {
        ...{ ...DEFAULTS, network: 'mlp', layers: [9, 7], activation: 'tanh', data: 'cifar10', optimizer: 'momentum' },
        ...{ rate: 0.03, batch: 300, penalty: 'l2', strength: 0.002, replicas: 2, seed: 41 },
      },
      2,
    ],
    [
      'an MLP without hidden layers, with RMSprop and an L1 penalty',
      {
        ...{ ...DEFAULTS, network: 'mlp', layers: [], optimizer: 'rmsprop' },
        ...{ rate: 0.0005, batch: 64, penalty: 'l1', strength: 1e-5, seed: 0 },
      },
      1,
    ],
    [
      'an MLP with SGD',
      { ...DEFAULTS, network: 'mlp', layers: [8], activation: 'sigmoid', optimizer: 'sgd', rate: 0.1 },
      1,
    ],
  ];
  it.each(cases)('nodeProgram: trains %s to the weights of the session, to the bit', async (_, settings, epochs) => {
    const session = new Session(device, settings, await sampleOf(settings.data), {
      onChange: () => {},
      onCheckpoint: async () => {},
      onFailure: (error) => {
        throw error;
      },
    });
    const program = nodeProgram(session.model, settings, epochs);
    session.play();
    while (session.hashes.length < epochs) await new Promise((resolve) => setTimeout(resolve, 5));
    const hashes = session.hashes.slice(0, epochs);
    await session.dispose();

    const out = await run(program);
    const printed = [...out.matchAll(/epoch (\d+): .* weights ([0-9a-f]{64})/g)];
    expect(printed.map(([, epoch, hash]) => ({ epoch: Number(epoch), hash }))).toEqual(hashes);

    // The file that it writes has these weights too.
    const { tensors } = decodeSafetensors(
      readFileSync(join(folder, `${settings.network}-${settings.data}.safetensors`)),
    );
    const hash = createHash('sha256');
    const names = session.model.plannedLayers.flatMap(({ name, weights }) =>
      weights.map((one) => `${name}/${one.name}`),
    );
    for (const name of names) {
      const { data } = tensors.get(name)!;
      hash.update(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
    }
    expect(hash.digest('hex')).toBe(hashes.at(-1)!.hash);
  });
});
