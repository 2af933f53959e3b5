import { readFile } from 'node:fs/promises';
import { configDefaults, defineConfig } from 'vitest/config';
import { ADAPTER_RUNS, filesFor, LONG_KERNELS, ON_ADAPTERS } from './test/support/adapter-runs.ts';
import { sharedForks } from './test/support/forks.ts';
import { LongestFirst } from './test/support/longest-first.ts';

/** Imports `.wgsl` files as text, as esbuild does in builds. */
const wgsl = {
  name: 'wgsl-as-text',
  enforce: 'pre' as const,
  async load(id: string) {
    return id.endsWith('.wgsl') ? `export default ${JSON.stringify(await readFile(id, 'utf8'))}` : null;
  },
};

const isLong = process.env.LONG === '1';

/**
 * Mesa's software adapter compiles without LLVM's optimizations: most tests run a kernel once or twice, so that compiling takes longer than
 * running. With LONG=1, kernels are compiled as users have them.
 */
const compileFast = isLong ? {} : { GALLIVM_PERF: 'nopt' };

/** Vectors of 128 bits compile a fifth faster than those of 256. They have too few lanes for subgroups, which these adapters do not have anyway. */
const narrowVectors = isLong ? {} : { LP_NATIVE_VECTOR_WIDTH: '128' };
const WITHOUT_SUBGROUPS = ['default-limits', 'wgpu'];

/** A project that runs tests on an adapter with these traits: see test/support/test-adapters.ts. */
function onAdapter(name: string, traits: string) {
  const { include, exclude } = filesFor(name);
  return {
    extends: true as const,
    test: {
      name,
      include,
      exclude: [...configDefaults.exclude, ...exclude],
      // With LONG=1 they run all files, but draw as many cases as without: each run would take hours.
      env: {
        TILEGRAD_TEST_ADAPTER: traits,
        LONG: '',
        ...compileFast,
        ...(WITHOUT_SUBGROUPS.includes(name) ? narrowVectors : {}),
      },
      setupFiles: ['test/support/test-adapter-setup.ts'],
    },
  };
}

const isDeno = 'deno' in process.versions;

export default defineConfig({
  plugins: [wgsl],
  test: {
    // Files share threads in Deno, and processes in Node, as each process opens Dawn.
    pool: isDeno ? 'threads' : sharedForks,
    isolate: false,
    setupFiles: [
      'test/support/fresh-modules.ts',
      'test/support/equal-numbers.ts',
      ...(isDeno ? [] : ['test/support/shared-process.ts']),
    ],
    // One more than CI has cores, because many files wait for processes, servers and pages.
    maxWorkers: isDeno ? 2 : 3,
    sequence: { sequencer: LongestFirst, setupFiles: 'list' },
    // Not a measure of speed: a software adapter compiles dozens of shaders for some tests, on whatever machine CI has.
    testTimeout: 600_000,
    hookTimeout: 600_000,
    expect: { poll: { timeout: 120_000 } },
    // All projects transform the same sources.
    experimental: { fsModuleCache: true },
    projects: isDeno
      ? [onAdapter('wgpu', process.env.TILEGRAD_TEST_ADAPTER ?? '')]
      : [
          {
            extends: true,
            test: {
              name: 'dawn',
              include: ON_ADAPTERS,
              exclude: [...configDefaults.exclude, ...LONG_KERNELS],
              env: compileFast,
            },
          },
          { extends: true, test: { name: 'long-kernels', include: LONG_KERNELS } },
          {
            extends: true,
            test: {
              name: 'programs',
              include: ['test/**/*.test.ts'],
              exclude: [...configDefaults.exclude, ...ON_ADAPTERS, ...LONG_KERNELS],
              env: compileFast,
            },
          },
          ...ADAPTER_RUNS.filter(({ isQuick }) => isLong || isQuick).map(({ name, traits }) => onAdapter(name, traits)),
        ],
  },
});
