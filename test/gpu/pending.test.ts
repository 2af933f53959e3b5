import { expect, test } from 'vitest';
import { describeOnDevice } from '../support/device.ts';
import { bundleBeforeTests, runToEnd } from '../support/process.ts';

describeOnDevice('a device that is disposed while something is pending', () => {
  const program = bundleBeforeTests('test/support/leave-while-pending.ts');

  // Dawn's binding used to poll a freed instance: a crash, or a wait for a lock forever.
  test('neither crashes the process nor keeps it alive', async () => {
    const { code, out } = await runToEnd(['--expose-gc', program]);
    expect([code, out]).toEqual([0, 'left\n']);
  }, 60_000);
});
