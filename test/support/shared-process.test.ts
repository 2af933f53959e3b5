import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { describeOnDevice } from './device.ts';
import { runToEnd } from './process.ts';

const root = join(import.meta.dirname, '../..');

/** Test files that share a process, in the order in which it runs them, with what must be said of each. */
const FILES: Record<string, { code: string; says: string | null }> = {
  'a-timer': { code: `setInterval(() => {}, 1000);`, says: 'leaves open: 1 Timeout' },
  'b-device': {
    code: `const dawn = await import('webgpu');
      Object.assign(globalThis, dawn.globals);
      globalThis.kept = await (await dawn.create([]).requestAdapter()).requestDevice();`,
    says: 'leaves open: 1 GPUDevice',
  },
  'c-server': { code: `(await import('node:net')).createServer().listen(0);`, says: 'leaves open: 1 TCPServerWrap' },
  'd-environment': { code: `process.env.LEFT = '1';`, says: 'leaves changed: process.env.LEFT' },
  'e-listener': { code: `process.on('SIGUSR2', () => {});`, says: 'listeners of SIGUSR2' },
  'f-clock': { code: `performance.now = () => 0;`, says: 'leaves changed: performance.now' },
  'g-module': {
    code: `const { state } = await import('./state.ts');
      state.files++;
      if (state.files !== 1) throw new Error('a module of another file');`,
    says: null,
  },
  'h-mended': {
    code: `const { state } = await import('./state.ts');
      state.files++;
      if (state.files !== 1) throw new Error('a module of another file');
      vi.stubEnv('LEFT', '2');
      vi.stubGlobal('left', 3);
      vi.spyOn(Math, 'random').mockReturnValue(4);
      clearInterval(setInterval(() => {}, 1000));`,
    says: null,
  },
};

describeOnDevice('test files that share a process', () => {
  test('each fails for what it leaves behind, and for nothing of the files before it', async () => {
    mkdirSync(join(root, 'node_modules/.cache'), { recursive: true });
    const folder = mkdtempSync(join(root, 'node_modules/.cache/tilegrad-shared-process-'));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    for (const [name, { code }] of Object.entries(FILES)) {
      const text = `import { test, vi } from 'vitest';\ntest('${name}', async () => {\n${code}\n});\n`;
      writeFileSync(join(folder, `${name}.test.ts`), text);
    }
    writeFileSync(join(folder, 'state.ts'), 'export const state = { files: 0 };\n');
    const setupFiles = ['fresh-modules.ts', 'shared-process.ts'].map((name) => join(import.meta.dirname, name));
    const sequencer = `class { shard = (files) => files; sort = (files) => files.sort((a, b) => (a.moduleId < b.moduleId ? -1 : 1)); }`;
    const settings = { pool: 'forks', isolate: false, maxWorkers: 1, setupFiles, sequence: { setupFiles: 'list' } };
    const config = `const test = ${JSON.stringify({ ...settings, include: ['*.test.ts'] })};
      test.sequence.sequencer = ${sequencer};
      export default { root: ${JSON.stringify(folder)}, test };\n`;
    writeFileSync(join(folder, 'vitest.config.mjs'), config);
    const vitest = join(root, 'node_modules/vitest/vitest.mjs');
    const env = { TILEGRAD_TESTS_GRACE_MS: '100' };
    const { out, err } = await runToEnd([vitest, 'run', '--reporter=json'], { cwd: folder, env });
    const { testResults } = JSON.parse(out) as { testResults: { name: string; status: string; message: string }[] };
    const outcomes = Object.fromEntries(
      testResults.map(({ name, status, message }) => [/([\w-]+)\.test\.ts$/.exec(name)?.[1], `${status}: ${message}`]),
    );
    for (const [name, { says }] of Object.entries(FILES)) {
      if (says === null) expect(outcomes[name], err).toMatch(/^passed: $/);
      else expect(outcomes[name], err).toMatch(new RegExp(`^failed: this file .*${says}`));
    }
  });
});
