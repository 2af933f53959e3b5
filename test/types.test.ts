import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { writeTypes } from '../scripts/types.mjs';

// TypeScript sees only the declarations of an installed tilegrad, not its sources.

const root = fileURLToPath(new URL('..', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'tilegrad-types-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

beforeAll(() => {
  const installed = join(folder, 'node_modules/tilegrad');
  mkdirSync(installed, { recursive: true });
  copyFileSync(join(root, 'package.json'), join(installed, 'package.json'));
  writeTypes(join(installed, 'dist/types'));
  const compilerOptions = { module: 'NodeNext', target: 'ES2022', strict: true, skipLibCheck: true, noEmit: true };
  writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions, include: ['*.ts'] }));
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ type: 'module' }));
});

function compile(program: string) {
  writeFileSync(join(folder, 'program.ts'), program);
  const { status, stdout } = spawnSync(process.execPath, [join(root, 'node_modules/typescript/bin/tsc'), '-p', folder]);
  return { status, errors: String(stdout) };
}

const program = `
  import { Adam, Dense, type FitOptions, openDevice, Sequential } from 'tilegrad/node';
  import { relu } from 'tilegrad';
  const device = await openDevice();
  const options: FitOptions = { epochs: 2 };
  const model = new Sequential([new Dense({ units: 3, inputShape: [2] })]).build(device, { seed: 1 });
  model.compile({ optimizer: new Adam(), loss: 'meanSquaredError' });
  const { epochs } = await model.fit({ x: [[1, 2]], y: [[1, 2, 3]] }, options);
  export const loss: number = epochs[0]!.loss;
  export { relu };
`;

test('a strict program that uses the package compiles', () => {
  expect(compile(program)).toEqual({ status: 0, errors: '' });
}, 30_000);

test('mistakes in a program do not compile', () => {
  const { status, errors } = compile(program.replace('units: 3', 'unit: 3').replace('loss: number', 'loss: string'));
  expect(status).not.toBe(0);
  expect(errors).toContain("'unit' does not exist");
  expect(errors).toContain("'number' is not assignable to type 'string'");
}, 30_000);
