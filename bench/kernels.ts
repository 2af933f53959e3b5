/**
 * The hot kernels on LeNet-5's shapes (batch 256), every variant beside the reference kernel and the adapter's own
 * ceiling, measured in turns within one run because machines are noisy.
 */
import { openDevice } from '../src/gpu/dawn.ts';
import type { Device } from '../src/gpu/device.ts';
import { DeviceArray, type Shape, withScope } from '../src/kernels/array.ts';
import * as conv from '../src/kernels/conv2d.ts';
import { matmul, matmulVariants } from '../src/kernels/matmul.ts';
import { ceiling } from './ceiling.ts';
import { table } from './table.ts';

interface Case {
  name: string;
  /** Floating-point operations of one run, a multiply-add counting as two. */
  flops: number;
  variants: readonly string[];
  run(variant: string): void;
}

const BATCH = 256;

function convCases(device: Device, name: string, input: Shape, filter: Shape): Case[] {
  const random = (shape: Shape) => randomArray(device, shape);
  const [x, w] = [random([BATCH, ...input]), random(filter)];
  const geometry = conv.convGeometry(x, w);
  const dy = random([BATCH, ...geometry.output, geometry.outChannels]);
  const flops = 2 * dy.size * filter.slice(0, 3).reduce((a, b) => a * b, 1);
  const variants = conv.conv2dVariants;
  const as = (variant: string) => ({ variant: variant as conv.Conv2dVariant });
  return [
    { name: `${name} forward`, flops, variants, run: (v) => void conv.conv2d(x, w, as(v)) },
    { name: `${name} input gradient`, flops, variants, run: (v) => void conv.conv2dInputGrad(dy, w, geometry, as(v)) },
    {
      name: `${name} weight gradient`,
      flops,
      variants,
      run: (v) => void conv.conv2dWeightGrad(x, dy, geometry, as(v)),
    },
  ];
}

function denseCases(device: Device, name: string, inputs: number, units: number): Case[] {
  const random = (shape: Shape) => randomArray(device, shape);
  const [x, w, dy] = [random([BATCH, inputs]), random([inputs, units]), random([BATCH, units])];
  const flops = 2 * BATCH * inputs * units;
  const variants = units % 4 === 0 ? matmulVariants : (['naive'] as const);
  const as = (variant: string) => ({ variant: variant as (typeof matmulVariants)[number] });
  return [
    { name: `${name} forward`, flops, variants, run: (v) => void matmul(x, w, as(v)) },
    { name: `${name} input gradient`, flops, variants, run: (v) => void matmul(dy, w, { ...as(v), transposeB: true }) },
    {
      name: `${name} weight gradient`,
      flops,
      variants,
      run: (v) => void matmul(x, dy, { ...as(v), transposeA: true }),
    },
  ];
}

function randomArray(device: Device, shape: Shape): DeviceArray {
  const array = DeviceArray.empty(device, shape).keep();
  device.upload(
    array.storage,
    Float32Array.from({ length: array.size }, () => Math.random() - 0.5),
  );
  return array;
}

/** Seconds of one run, the best of several rounds, each long enough to drown the submit. */
async function seconds(device: Device, run: () => void): Promise<number> {
  const round = async (times: number) => {
    const begun = performance.now();
    for (let i = 0; i < times; i++) withScope(device, run, () => []);
    await device.sync();
    return (performance.now() - begun) / 1000;
  };
  const first = await round(1).then(() => round(1));
  const times = Math.max(1, Math.min(200, Math.round(0.1 / first)));
  let best = Number.POSITIVE_INFINITY;
  for (let i = 0; i < 3; i++) best = Math.min(best, (await round(times)) / times);
  return best;
}

const filter = process.argv[3] ?? '';
const device = await openDevice();
const cases = [
  ...convCases(device, 'conv 1', [32, 32, 3], [5, 5, 3, 6]),
  ...convCases(device, 'conv 2', [14, 14, 6], [5, 5, 6, 16]),
  ...denseCases(device, 'dense 1', 400, 120),
  ...denseCases(device, 'dense 2', 120, 84),
  ...denseCases(device, 'dense 3', 84, 10),
].filter(({ name }) => name.includes(filter));
const top = await ceiling(device);
const rows: string[][] = [];
for (const { name, flops, variants, run } of cases) {
  let reference = 0;
  for (const variant of variants) {
    const rate = flops / (await seconds(device, () => run(variant))) / 1e9;
    reference ||= rate;
    rows.push([
      name,
      variant,
      rate.toFixed(2),
      `${(rate / reference).toFixed(2)}x`,
      `${((100 * rate) / top).toFixed(0)}%`,
    ]);
  }
}
const { info } = device;
device.dispose();
process.stdout.write(
  `${info.name}, ${info.driver}${info.isSoftware ? ' (CPU)' : ''}; ceiling ${top.toFixed(0)} GFLOP/s\n`,
);
process.stdout.write(table(['kernel', 'variant', 'GFLOP/s', 'of naive', 'of ceiling'], rows));
