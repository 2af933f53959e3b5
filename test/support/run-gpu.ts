import type { Command } from '../../bench/gpu/child.ts';
import { main } from '../../bench/gpu/main.ts';
import { createParts, type Part } from '../../bench/gpu/parts.ts';

// `npm run gpu` with other parts, for test/bench/gpu.test.ts: the first arguments are their name and the repository's folder.

const script = (code: string): Command => ({ args: ['--input-type=module', '-e', code] });

/** A part that is a small program. Its figures are what it printed last, as JSON. */
const fake = (name: string, code: string, limit = 600): Part => ({
  ...{ name, title: `the ${name} part`, limit },
  command: () => script(code),
  read: ({ stdout }) => JSON.parse(stdout.trim().split('\n').at(-1)!),
  describe: (result) => `figures ${JSON.stringify(result)}`,
});

const ADAPTER = { name: 'a card', vendor: 'maker', architecture: '', driver: '1.2', isSoftware: false };
const doctor = (adapter: object) =>
  fake('doctor', `console.log(JSON.stringify(${JSON.stringify({ ok: true, checks: [], adapter })}))`);
/** Refuses to end, starts another process, which holds the pipes, and waits longer than any test. */
const HANG = `
  import { spawn } from 'node:child_process';
  console.log('{"done":1}');
  spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'], { stdio: 'inherit' });
  process.on('SIGTERM', () => {});
  console.error('one of them works');
  setInterval(() => {}, 1000);`;

const others: Part[] = [
  fake('broken', `console.error('the driver is broken at ' + process.cwd()); process.exitCode = 3;`),
  fake('hanging', HANG, 8),
  {
    ...fake('remote', 'console.log(1)'),
    install: { ...script(`console.error('no network'); process.exit(1)`), limit: 600 },
  },
  fake('good', `console.log('{"ms":4}')`),
  fake('waiting', `${HANG} (await import('node:fs')).writeFileSync(process.env.FOLDER + '/waiting', '');`),
  fake('rude', `import { rmSync } from 'node:fs'; rmSync(process.env.FOLDER, { recursive: true }); console.log('{}')`),
  fake('last', 'console.log(2)'),
];

const [which, root, ...args] = process.argv.slice(2);
const parts: Record<string, () => Part[]> = {
  card: () => [doctor(ADAPTER), ...others],
  software: () => [doctor({ ...ADAPTER, isSoftware: true }), ...others],
  nothing: () => [fake('doctor', 'process.exit(1)'), ...others],
  small: () =>
    createParts(root!, { kernels: ['gemm-256'], steps: ['mlp-b32'], tests: ['test/kernels/optimizers/adam.test.ts'] }),
};
process.exitCode = await main(args, root!, parts[which!]!());
