import longSumCode from '../../shaders/long_sum.wgsl';
import type { KernelSource } from '../gpu/pipelines.ts';

/** Terms that one f32 may take: equal ones drift by up to 4e-6 of their sum then. */
const LONGEST = 128;

/** A text that kernels with `add_term` end in. */
export { longSumCode };

/**
 * A kernel that adds up by `add_term` and defines `Value` (see `laned`), for sums of at most `terms` terms. The number must depend on the
 * shape of one replica alone, as the order of additions does on it.
 */
export function withLongSums(source: KernelSource, terms: number): KernelSource {
  return {
    ...source,
    code: `${source.code}\n${longSumCode}`,
    constants: { ...source.constants, LONG: terms > LONGEST ? 1 : 0 },
  };
}
