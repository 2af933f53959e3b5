import code from '../../../shaders/pointwise/cast.wgsl';
import type { DeviceArray, DType } from '../array.ts';
import { withFloatBits } from '../float-bits.ts';
import { gridStrideWorkgroups, output, runKernel } from '../run.ts';

/** Integers of the two types are the same 32 bits, as in NumPy. */
const EXPRESSIONS: Readonly<Record<DType, string>> = {
  f32: 'f32(x[i])',
  u32: 'bitcast<u32>(x[i])',
  i32: 'bitcast<i32>(x[i])',
};

/** x as another type, under the same shape. Memory-bound. */
export function cast(x: DeviceArray, dtype: DType): DeviceArray {
  const y = output(x.device, x.shape, x.replicas, undefined, dtype);
  const size = x.replicas * x.size;
  const expression = x.dtype === 'f32' ? `to_${dtype}(x[i])` : EXPRESSIONS[dtype];
  const types = `alias From = ${x.dtype};\nalias To = ${dtype};\n`;
  const text = types + code.replace('CAST;', `${expression};`);
  const source = withFloatBits({ name: `cast_${x.dtype}_${dtype}`, code: text });
  runKernel(x.device, source, [size], [x, y], gridStrideWorkgroups(size));
  return y;
}
