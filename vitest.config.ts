import { readFile } from 'node:fs/promises';
import { defineConfig } from 'vitest/config';

/** Imports `.wgsl` files as text, as esbuild does in builds. */
const wgsl = {
  name: 'wgsl-as-text',
  enforce: 'pre' as const,
  async load(id: string) {
    return id.endsWith('.wgsl') ? `export default ${JSON.stringify(await readFile(id, 'utf8'))}` : null;
  },
};

export default defineConfig({
  plugins: [wgsl],
  test: {
    include: ['test/**/*.test.ts'],
    // A process a file: each opens its own Dawn instance, and must be able to end by itself.
    pool: 'forks',
    maxWorkers: 2,
    // Not a measure of speed: a software adapter compiles dozens of shaders for some tests, on whatever machine CI has.
    testTimeout: 600_000,
    hookTimeout: 600_000,
  },
});
