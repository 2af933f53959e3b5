/**
 * Runs of tests on adapters other than Dawn's own, each a project of vitest.config.ts: `npx vitest run --project card`.
 * The traits are those of test/support/test-adapters.ts. Runs that are not quick run only with LONG=1.
 */
export const ADAPTER_RUNS = [
  { name: 'default-limits', traits: 'default-limits', isQuick: true },
  { name: 'card', traits: 'card', isQuick: true },
  { name: 'strict', traits: 'strict', isQuick: true },
  { name: 'card-default-limits', traits: 'card,default-limits', isQuick: false },
  { name: 'card-strict', traits: 'card,strict', isQuick: false },
] as const;

/** Everything that runs kernels: operators, kernels, golden vectors, trainings, and the device below them. */
export const ON_ADAPTERS = ['autograd', 'golden', 'gpu', 'kernels', 'nn', 'training'].map(
  (folder) => `test/${folder}/**/*.test.ts`,
);

/** Tests in which kernels run longer than they compile: here they are compiled with all optimizations. */
export const LONG_KERNELS = [
  ...['kernels/matmul/long-sums-products', 'kernels/reduce/long-sums'],
  ...['training/mnist', 'training/lenet', 'experiments/smoke-b'],
].map((name) => `test/${name}.test.ts`);

/** Operators and their gradients against references and golden vectors, steps of training against PyTorch. */
export const QUICK = [
  ...['test/gpu/test-adapter', 'test/golden/golden', 'test/golden/five-steps', 'test/autograd/operators'],
].map((name) => `${name}.test.ts`);

/** Tests of Dawn in Node. */
const DAWN_ALONE = ['test/gpu/dawn.test.ts', 'test/gpu/given-gpu.test.ts'];

/** Tests that take long on wgpu, whose waits end at least 10 ms late and which has no subgroups. */
export const SLOW_ON_WGPU = [
  ...[
    'depthwise-variants',
    'long-sums',
    'long-sums-products',
    'exact-sums-products',
    'row-variants',
    'conv2d-gemm-tiled',
  ],
  ...['grid-parts', 'shape-variants', 'one-training', 'replicas', 'mnist', 'independent-labels'],
  'long-epochs',
  ...['random-models', 'replicas-drawn', 'feature-cache', 'replica-bits', 'adjoint', 'submits', 'custom-loop-memory'],
].map((name) => `test/**/${name}.test.ts`);

/** Tests of options, data and callbacks on the host, which run the same code on every implementation. */
export const OF_THE_HOST = [
  ...[
    'added-metrics',
    'callbacks',
    'callbacks-in-fit',
    'config',
    'constructors',
    'data-shapes',
    'data-values',
    'f32-options',
  ],
  ...['feature-cache-refused', 'fit-data', 'fit-options', 'fit-refused', 'initial-weights', 'initializers'],
  ...['suggestions', 'on-steps', 'predict-rows', 'resume-damaged', 'schedules', 'streams', 'summary'],
  ...['targets-refused', 'throttle', 'training-fails', 'unknown-options', 'unreadable', 'edge-sizes'],
].map((name) => `test/{nn,training}/**/${name}.test.ts`);

/** Test files of a run: a quick set, or with LONG=1 everything that runs kernels. */
export function filesFor(name: string): { include: string[]; exclude: string[] } {
  if (process.env.LONG === '1') return { include: ON_ADAPTERS, exclude: DAWN_ALONE };
  if (name !== 'wgpu') return { include: QUICK, exclude: [] };
  // From the folder gpu, only tests that are written for any implementation.
  const include = [
    ...ON_ADAPTERS.filter((glob) => !glob.includes('/gpu/')),
    ...QUICK,
    'test/gpu/upload.test.ts',
    'test/deno.test.ts',
  ];
  return { include, exclude: [...SLOW_ON_WGPU, ...OF_THE_HOST] };
}
