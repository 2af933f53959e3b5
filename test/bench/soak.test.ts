import { expect, test } from 'vitest';
import { describeOnDevice } from '../support/device.ts';
import { bundleBeforeTests, runToEnd } from '../support/process.ts';

describeOnDevice('npm run bench -- soak', () => {
  const main = bundleBeforeTests('bench/soak/main.ts');

  test('every kind of round leaves no memory in use; prints the memory held', async () => {
    const { code, out, err } = await runToEnd([main, '--rounds', '6', '--seed', '3']);
    expect(out, err).toMatch(/seconds +rounds +process MiB[\s\S]*\n +\d+ +6( +\d+){6}\n/);
    expect(out).toMatch(/device: at most \d+ MiB, then \d+ MiB/);
    expect(out).toMatch(/in use on the device in the end: 0 bytes\n$/);
    expect(code === 0).toBe(!out.includes('IT GROWS')); // memory may grow in the first rounds
  });

  test.each([
    { words: ['--minutes', '0'], said: '--minutes: must be a positive number' },
    { words: ['--hours', '1'], said: '--hours' },
  ])('$words exits with 2 and the reason', async ({ words, said: message }) => {
    const { code, out, err } = await runToEnd([main, ...words]);
    expect(err).toContain(message);
    expect({ code, out }).toEqual({ code: 2, out: '' });
  });
});
