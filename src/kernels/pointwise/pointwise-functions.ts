import logsCode from '../../../shaders/pointwise/log1p_expm1.wgsl';
import functionsCode from '../../../shaders/pointwise/pointwise_functions.wgsl';
import { floatBits } from '../float-bits.ts';

/** The WGSL functions that the expressions in the table of pointwise operators call. */
export const pointwiseFunctions = `${logsCode}\n${functionsCode}\n${floatBits('f32')}`;
