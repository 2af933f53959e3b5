/** The adapter's ceilings, which the benchmarks share with the profiler. */
export { type Ceilings, measureCeilings } from '../src/tuner/ceiling.ts';
