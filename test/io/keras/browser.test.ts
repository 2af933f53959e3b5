import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { expect, test } from 'vitest';
import { kerasWeights, unpacked } from '../../golden/files/files.ts';

test("a browser's bundle: loads the reader of Keras's files when a file is read, and reads it from bytes", async () => {
  const { outputFiles, metafile } = await build({
    absWorkingDir: fileURLToPath(new URL('../../..', import.meta.url)),
    entryPoints: ['src/index.ts'],
    outdir: 'bundle',
    bundle: true,
    splitting: true,
    write: false,
    metafile: true,
    format: 'esm',
    platform: 'browser',
    loader: { '.wgsl': 'text' },
  });
  // The static imports of the first file, and theirs.
  const atOnce = new Set(['bundle/index.js']);
  for (const path of atOnce) {
    for (const { path: other, kind } of metafile.outputs[path]!.imports)
      if (kind === 'import-statement') atOnce.add(other);
  }
  const packages = (paths: Iterable<string>) =>
    [...paths].flatMap((path) =>
      Object.keys(metafile.outputs[path]!.inputs).filter((input) => input.startsWith('node_modules/')),
    );
  expect(packages(atOnce)).toEqual([]);
  expect(packages(Object.keys(metafile.outputs)).map((path) => path.split('/')[1])).toContain('h5wasm');

  const folder = mkdtempSync(join(tmpdir(), 'tilegrad-bundle-'));
  try {
    writeFileSync(join(folder, 'package.json'), '{"type":"module"}');
    for (const { path, contents } of outputFiles) writeFileSync(join(folder, basename(path)), contents);
    writeFileSync(join(folder, 'types.h5'), unpacked(kerasWeights.types.file));
    writeFileSync(
      join(folder, 'program.js'),
      `import { readFileSync } from 'node:fs';
      import { readKerasWeights } from './index.js';
      const layers = await readKerasWeights(new Uint8Array(readFileSync('types.h5')));
      process.stdout.write(layers.map(({ name }) => name).join());`,
    );
    const { stdout, stderr } = spawnSync(process.execPath, ['program.js'], { cwd: folder, encoding: 'utf8' });
    expect(stderr).toBe('');
    expect(stdout).toBe('first,second');
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
