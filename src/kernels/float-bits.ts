import code from '../../shaders/float_bits.wgsl';
import type { KernelSource } from '../gpu/pipelines.ts';

/** Types of x in WGSL, each with the types of its bits and of a condition. The kernel defines `Value` (see `vectorized`). */
const TYPES = {
  f32: { Value: 'f32', Index: 'u32', Signed: 'i32', Truth: 'bool' },
  vec4f: { Value: 'vec4f', Index: 'vec4u', Signed: 'vec4i', Truth: 'vec4<bool>' },
  Value: { Value: 'Value', Index: 'Index', Signed: 'Signed', Truth: 'Truth' },
};

/** The functions of shaders/float_bits.wgsl for one type of x: is_nan, is_zero, is_positive, is_negative and is_at_most_zero. */
export const floatBits = (type: keyof typeof TYPES): string =>
  code.replace(/\b(Value|Index|Signed|Truth)\b/g, (name) => TYPES[type][name as 'Value']);

/** Source of a kernel that calls these functions. */
export const withFloatBits = (source: KernelSource, type: keyof typeof TYPES = 'f32'): KernelSource => ({
  ...source,
  code: `${source.code}\n${floatBits(type)}`,
});
