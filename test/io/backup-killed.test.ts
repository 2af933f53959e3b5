import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { describeOnDevice } from '../support/device.ts';
import { bundleBeforeTests, runToEnd } from '../support/process.ts';

describeOnDevice('BackupAndRestore in a process that is killed', () => {
  const program = bundleBeforeTests('test/support/train-with-backup.ts');

  test('during an epoch: the next process resumes and gets the same bits', async () => {
    const root = mkdtempSync(join(tmpdir(), 'tilegrad-killed-'));
    onTestFinished(() => rmSync(root, { recursive: true, force: true }));
    const path = join(root, 'backup.safetensors');
    const whole = await runToEnd([program, join(root, 'whole.safetensors')]);
    expect(whole.code, whole.err).toBe(0);
    const killed = await runToEnd([program, path, '9']);
    expect([killed.code, killed.signal, killed.out]).toEqual([null, 'SIGKILL', '']);
    expect(readdirSync(root)).toEqual(['backup.safetensors']);
    const resumed = await runToEnd([program, path]);
    expect(resumed.code, resumed.err).toBe(0);
    const [{ from, left }, other] = [JSON.parse(resumed.out), JSON.parse(whole.out)];
    expect([from, other.from]).toEqual([{ epoch: 2, step: 3 }, null]);
    expect(left).toEqual(other.left);
    expect(left.buffers[0].some((word: number) => word !== 0)).toBe(true);
    expect(existsSync(path)).toBe(false);
  }, 60_000);
});
