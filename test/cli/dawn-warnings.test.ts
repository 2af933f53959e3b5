import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { describeOnDevice } from '../support/device.ts';
import { bundleBeforeTests, runToEnd } from '../support/process.ts';
import { FakeIo, tilegrad } from './fakes.ts';

const cli = bundleBeforeTests('src/cli/main.ts');
let out: string;
beforeEach(() => {
  out = mkdtempSync(join(tmpdir(), 'tilegrad-warnings-'));
});
afterEach(() => rmSync(out, { recursive: true, force: true }));

const reduced = { maxDynamicUniformBuffersPerPipelineLayout: 16, maxDynamicStorageBuffersPerPipelineLayout: 16 };
const explanation = /^Note: Dawn.* has reduced limits of dynamic buffers.* have no effect\. This note comes once\.$/m;

/** The stderr of a command on an adapter with these limits. */
async function stderrOf(words: string, cache: string, limits: Record<string, number>): Promise<string> {
  const io = new FakeIo();
  io.env = { TILEGRAD_CACHE: cache };
  const { code, err } = await tilegrad(words.split(' '), { io, limits });
  expect(code, err).toBe(0);
  return err;
}

describe("Dawn's warnings about dynamic buffers", () => {
  test('are explained once, by the first command', async () => {
    const run = `run A1 --out ${out}`;
    for (const [first, then] of [
      [run, 'tune A1'],
      ['tune A1', run],
    ] as const) {
      const cache = join(out, `cache of ${first.slice(0, 3)}`);
      expect(await stderrOf(first, cache, reduced)).toMatch(explanation);
      for (const words of [first, then]) expect(await stderrOf(words, cache, reduced)).not.toContain('Dawn');
    }
  });

  test('are explained each time if nothing can be stored', async () => {
    writeFileSync(join(out, 'file'), '');
    for (let i = 0; i < 2; i++) expect(await stderrOf('tune A1', join(out, 'file'), reduced)).toMatch(explanation);
  });

  test('are not mentioned for an adapter that does not cause them', async () => {
    const limits = { maxDynamicUniformBuffersPerPipelineLayout: 8, maxDynamicStorageBuffersPerPipelineLayout: 8 };
    expect(await stderrOf('tune A1', join(out, 'cache'), limits)).not.toContain('Dawn');
    expect(existsSync(join(out, 'cache'))).toBe(false);
    expect((await tilegrad(['doctor'], { limits })).out).not.toContain('dynamic');
  });

  test('are always explained by doctor', async () => {
    for (let i = 0; i < 2; i++) {
      const { advice } = JSON.parse((await tilegrad(['doctor', '--json'], { limits: reduced })).out);
      expect(advice.join()).toMatch(/^Nothing to worry about: Dawn.*dynamic buffers/);
    }
  });
});

describeOnDevice('on an adapter', () => {
  test('are explained only if Dawn has printed them', async () => {
    const { code, out: text, err } = await runToEnd([cli, 'doctor', '--json'], { cwd: out });
    expect(code, err).toBe(0);
    const explains = JSON.parse(text).advice.join().includes('dynamic buffers');
    expect(explains).toBe(err.includes('maxDynamicUniformBuffersPerPipelineLayout'));
  });
});
