import accumulateCode from '../../../shaders/pointwise/accumulate.wgsl';
import addCode from '../../../shaders/pointwise/add.wgsl';
import biasAddCode from '../../../shaders/pointwise/bias_add.wgsl';
import fillCode from '../../../shaders/pointwise/fill.wgsl';
import reluGradCode from '../../../shaders/pointwise/relu_grad.wgsl';
import scaleRowsCode from '../../../shaders/pointwise/scale_rows.wgsl';
import { ShapeError } from '../../base/errors.ts';
import type { Device } from '../../gpu/device.ts';
import { type DeviceArray, type DType, type Shape, showShape } from '../array.ts';
import { withFloatBits } from '../float-bits.ts';
import {
  checkDType,
  checkSameShape,
  commonReplicas,
  f32Bits,
  gridStrideVec4Workgroups,
  gridStrideWorkgroups,
  output,
  runKernel,
} from '../run.ts';

const totalSize = (a: DeviceArray) => a.replicas * a.size;

/** a + b of one shape. Memory-bound. @throws ShapeError */
export function add(a: DeviceArray, b: DeviceArray): DeviceArray {
  checkDType('add', 'the left tensor', a, 'f32');
  checkDType('add', 'the right tensor', b, 'f32');
  checkSameShape('add', a, b);
  const replicas = commonReplicas('add', [a, b]);
  const y = output(a.device, a.shape, replicas);
  runKernel(
    a.device,
    { name: 'add', code: addCode },
    [totalSize(y)],
    [a, b, y],
    gridStrideVec4Workgroups(totalSize(y)),
    { flops: totalSize(y) },
  );
  return y;
}

/** target += x, in place. Memory-bound. */
export function accumulate(target: DeviceArray, x: DeviceArray): void {
  checkSameShape('accumulate', target, x);
  const n = totalSize(x);
  runKernel(x.device, { name: 'accumulate', code: accumulateCode }, [n], [x, target], gridStrideVec4Workgroups(n), {
    flops: n,
    bytes: 12 * n,
  });
}

/** x [..., C] + bias [C]. Memory-bound. @throws ShapeError */
export function biasAdd(x: DeviceArray, bias: DeviceArray): DeviceArray {
  checkDType('biasAdd', 'the input', x, 'f32');
  checkDType('biasAdd', 'the bias', bias, 'f32');
  const channels = x.shape.at(-1);
  if (bias.shape.length !== 1 || channels === undefined || bias.shape[0] !== channels) {
    throw new ShapeError(
      `biasAdd: the bias must have the size of the input's last axis (input ${showShape(x.shape)}, bias ${showShape(bias.shape)})`,
    );
  }
  const replicas = commonReplicas('biasAdd', [x, bias]);
  const y = output(x.device, x.shape, replicas);
  const rows = channels === 0 ? 0 : x.size / channels;
  runKernel(
    x.device,
    { name: 'bias_add', code: biasAddCode },
    [rows, channels],
    [x, bias, y],
    gridStrideWorkgroups(x.size, replicas),
    { flops: totalSize(y) },
  );
  return y;
}

/** Gradient of a ReLU from its output y: dy where y > 0, else 0; dy itself if the mask is already applied to it. Memory-bound. */
export function reluGrad(y: DeviceArray, dy: DeviceArray, into?: DeviceArray): DeviceArray {
  if (dy.appliedReluMask === y && !into) return dy;
  const dx = output(y.device, y.shape, y.replicas, into);
  runKernel(
    y.device,
    withFloatBits({ name: 'relu_grad', code: reluGradCode }, 'vec4f'),
    [totalSize(y)],
    [y, dy, dx],
    gridStrideVec4Workgroups(totalSize(y)),
    {
      flops: totalSize(y),
    },
  );
  return dx;
}

/** An array filled with a value of its type. Memory-bound. */
export function fill(
  device: Device,
  shape: Shape,
  value: number,
  options: { replicas?: number; into?: DeviceArray; dtype?: DType } = {},
): DeviceArray {
  const y = output(device, shape, options.replicas ?? 1, options.into, options.dtype);
  const bits = y.dtype === 'f32' ? f32Bits(value) : value;
  runKernel(device, { name: 'fill', code: fillCode }, [totalSize(y), bits], [y], gridStrideWorkgroups(totalSize(y)));
  return y;
}

/** x[r, i] * factor[r] for a scalar factor. Memory-bound. */
export function scaleRows(x: DeviceArray, factor: DeviceArray, into?: DeviceArray): DeviceArray {
  const y = output(x.device, x.shape, x.replicas, into);
  runKernel(
    x.device,
    { name: 'scale_rows', code: scaleRowsCode },
    [x.size],
    [x, factor, y],
    gridStrideWorkgroups(x.size, x.replicas),
    { flops: totalSize(y) },
  );
  return y;
}
