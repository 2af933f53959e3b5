import { mkdirSync, mkdtempSync, renameSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { buildState, recordBuild, recordInstall, whyBuild, whyInstall } from '../../scripts/setup/stamps.mjs';

const host = { platform: 'linux', arch: 'x64', versions: { node: '20.19.0' } };
let root: string;
const write = (path: string, text: string) => writeFileSync(join(root, path), text);

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'tilegrad-stamps-'));
  for (const folder of ['src/gpu', 'shaders']) mkdirSync(join(root, folder), { recursive: true });
  write('package.json', '{}');
  write('package-lock.json', '{"packages":{}}');
  write('src/gpu/device.ts', 'one');
  write('shaders/add.wgsl', 'two');
});

afterEach(() => rmSync(root, { recursive: true }));

describe('npm ci', () => {
  test('runs if node_modules is missing or was installed otherwise', () => {
    expect(whyInstall(root, host)).toMatch(/missing/);
    mkdirSync(join(root, 'node_modules'));
    expect(whyInstall(root, host)).toMatch(/not filled by set-up/);
    write('node_modules/.tilegrad-lock', '{"lock":');
    expect(whyInstall(root, host)).toMatch(/not filled by set-up/);
  });

  test('runs again only if the lock file, Node’s major or minor version, or the platform changes', () => {
    mkdirSync(join(root, 'node_modules'));
    recordInstall(root, host);
    expect(whyInstall(root, host)).toBeNull();
    expect(whyInstall(root, { ...host, versions: { node: '20.19.5' } })).toBeNull();
    expect(whyInstall(root, { ...host, versions: { node: '20.20.2' } })).toMatch(/with Node 20\.19/);
    expect(whyInstall(root, { ...host, versions: { node: '22.1.0' } })).toMatch(/Node 20/);
    expect(whyInstall(root, { ...host, arch: 'arm64' })).toMatch(/linux x64/);
    expect(whyInstall(root, { ...host, platform: 'darwin' })).toMatch(/linux x64/);
    write('package-lock.json', '{"packages":{"zod":{}}}');
    expect(whyInstall(root, host)).toMatch(/package-lock\.json/);
  });
});

describe('build', () => {
  beforeEach(() => {
    mkdirSync(join(root, 'dist'));
    recordBuild(root, buildState(root));
  });

  test('is up to date after a build, also if only times change', () => {
    expect(whyBuild(root)).toBeNull();
    utimesSync(join(root, 'src/gpu/device.ts'), 1, 1);
    expect(whyBuild(root)).toBeNull();
  });

  test.each([
    ['an edit', () => write('src/gpu/device.ts', 'two')],
    ['a new shader', () => write('shaders/mul.wgsl', '')],
    ['a new name', () => renameSync(join(root, 'src/gpu/device.ts'), join(root, 'src/gpu/other.ts'))],
    ['a removed file', () => rmSync(join(root, 'shaders/add.wgsl'))],
    ['other libraries', () => write('package-lock.json', '{"packages":{"zod":{}}}')],
    [
      'text moved from one file to the next',
      () => {
        write('shaders/add.wgsl', 'twoone');
        write('src/gpu/device.ts', '');
      },
    ],
  ])('is due after %s', (_what, change) => {
    change();
    expect(whyBuild(root)).toMatch(/changed/);
  });

  test('is due if dist was deleted', () => {
    rmSync(join(root, 'dist'), { recursive: true });
    expect(whyBuild(root)).toMatch(/dist is missing/);
  });
});
