import { expect, test } from 'vitest';
import { describeOnDevice } from './support/device.ts';
import { bundleBeforeTests, runToEnd } from './support/process.ts';

describeOnDevice('a program that uses tilegrad', () => {
  const program = bundleBeforeTests('test/support/train-and-leave.ts');

  // Dawn keeps a process alive as long as anything holds its instance; a hang shows as this test's time-out.
  test('ends by itself once its devices are disposed', async () => {
    const { code, out, err } = await runToEnd([program]);
    expect({ code, out }, err).toEqual({ code: 0, out: '1\n1\n' });
  }, 30_000);
});
