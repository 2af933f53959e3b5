import { tmpdir } from 'node:os';
import { expect, test, vi } from 'vitest';
import { tilegrad } from './fakes.ts';

// Tests may run as root, whom no permission stops, so the system's error is simulated.
vi.mock('node:fs', async (importOriginal) => ({
  ...(await importOriginal<typeof import('node:fs')>()),
  readdirSync: () => {
    throw Object.assign(new Error('EACCES: permission denied, scandir'), { code: 'EACCES' });
  },
}));

test('--resume without a folder exits with an error if it may not read the folder of runs', async () => {
  const { code, err } = await tilegrad(['run', 'A1', '--resume', '--out', tmpdir()]);
  expect({ code, err }).toEqual({ code: 1, err: `error: cannot read ${tmpdir()}: no permission\n` });
});
