import { repeatText } from '../generated.ts';
import { divisor, rowKernelSource } from './conv2d-direct-rows-codegen.ts';
import { type Winograd, winograd } from './winograd.ts';

// Generates the source of the convolution by Winograd's algorithm along the rows, and of the kernel that transforms its filter.

/** Named in the first line of the sources, for readers. */
const FILE = 'src/kernels/conv2d/conv2d-winograd1d-codegen.ts';

/** The sizes that the source depends on. */
export interface WinogradSizes {
  /** Input channels of a dispatch, 8, 16 or 32. */
  channels: number;
  /** Dispatches for all input channels: 1, or 2 for any larger number. */
  parts: 1 | 2;
  kernel: readonly [number, number];
  /** Columns of the output that an invocation computes. */
  tile: number;
  /** Whether the last tile of a row overlaps its neighbor. */
  overlap: boolean;
  /** Pixels that the first window reaches outside its row, and whether any window does. */
  padLeft: number;
  padded: boolean;
}

const algorithm = ({ tile, kernel }: WinogradSizes) => winograd(tile, kernel[1]);

/** Transformed weights of an output channel. */
export const weightsPerInvocation = ({ kernel: [kh, kw], tile, channels }: WinogradSizes) =>
  kh * (tile + kw - 1) * channels;
export const weightsPerRound = (sizes: WinogradSizes) => divisor(weightsPerInvocation(sizes), 32);

/** A sum of products with constants, without the terms whose constant is 0, and without a product if it is 1. */
function combination(factors: readonly number[], value: (i: number) => string): string {
  const terms = factors.map((factor, i) => (factor === 1 ? value(i) : `${float(factor)} * ${value(i)}`));
  return terms.filter((_, i) => factors[i] !== 0).join(' + ');
}

const float = (value: number) => (Number.isInteger(value) ? `${value}.0` : `${value}`);

/**
 * Eight lanes hold the samples of a tile, each a vec4 of channels, so there are `groups` groups of lanes. Group g loads the pixels
 * g * held, ..., g * held + held - 1 and transforms them; t0, t1, ... summed over the groups are the sample at the points.
 */
function sharing(sizes: WinogradSizes) {
  const lanes = sizes.channels / 4;
  const groups = 8 / lanes;
  return { lanes, groups, held: algorithm(sizes).points / groups };
}

/** The factors of each group's own pixels. */
function ownFactors(sizes: WinogradSizes): string {
  const { lanes, groups, held } = sharing(sizes);
  const { input, points } = algorithm(sizes);
  const groupFactor = (point: number, i: number) =>
    Array.from({ length: groups }, (_, g) => float(input[point]![g * held + i]!)).reduceRight(
      (others, factor, g) => `select(${others}, ${factor}, lane_group == ${g}u)`,
    );
  const factors = repeatText(points, (k) => repeatText(held, (i) => `let f${k}_${i} = ${groupFactor(k, i)};`, ' '));
  return `let lane_group = lane % 8u / ${lanes}u;\nlet channel_vec4 = lane % ${lanes}u + p.first_channel_vec4;\n${groups > 1 ? factors : ''}`;
}

/** Loads a row of x under the tile and transforms it. */
function loadPoints(sizes: WinogradSizes): string {
  const { padLeft, padded } = sizes;
  const { groups, held } = sharing(sizes);
  const { input, points } = algorithm(sizes);
  const pixel = (from: string, i: number) => `${from} + lane_group * ${held}u + ${i}u - ${padLeft}u`;
  const load = (i: number) => {
    const value = `x[(${pixel('at', i)}) * p.channel_vec4s + channel_vec4]`;
    return `let loaded${i} = ${padded ? `select(vec4f(), ${value}, ${pixel('ox', i)} < p.in_w)` : value};`;
  };
  const point = (k: number) => `let t${k} = ${repeatText(held, (i) => `f${k}_${i} * loaded${i}`, ' + ')};`;
  return `${repeatText(held, load)}\n${groups > 1 ? repeatText(points, point) : inPairs(input, (i) => `loaded${i}`)}`;
}

/** The transform if all lanes share the factors. For the points a and -a, the even powers and the odd powers are summed once. */
function inPairs(input: readonly number[][], value: (i: number) => string): string {
  const half = (row: number, parity: number) =>
    combination(
      input[row]!.map((factor, i) => (i % 2 === parity ? factor : 0)),
      value,
    );
  const last = input.length - 1;
  const pair = (a: number) => `let even${a} = ${half(a, 0)};
    let odd${a} = ${half(a, 1)};
    let t${a} = even${a} + odd${a};
    let t${a + 1} = even${a} - odd${a};`;
  return `let t0 = ${half(0, 0)};\n${repeatText(last / 2 - 0.5, (i) => pair(2 * i + 1))}\nlet t${last} = ${half(last, 1)};`;
}

/** The columns of a tile, computed from the sums at the points. */
function outputs({ output, points }: Winograd): string {
  const pairs = Array.from({ length: points / 2 - 1 }, (_, i) => 2 * i + 1);
  const column = (row: readonly number[], t: number) => {
    const factors = [row[0]!, ...pairs.map((a) => row[a]!), row[points - 1]!];
    const names = ['sum0', ...pairs.map((a) => `${t % 2 === 0 ? 'both' : 'apart'}${a}`), `sum${points - 1}`];
    return `var out${t} = ${combination(factors, (i) => names[i]!)};`;
  };
  return [
    ...pairs.map((a) => `let both${a} = sum${a} + sum${a + 1}; let apart${a} = sum${a} - sum${a + 1};`),
    ...output.map(column),
  ].join('\n');
}

/**
 * conv2d, stride 1:
 *   y[n, oy, ox, co] = act(sum_{ky, kx, ci} x[n, oy + ky - ph, ox + kx - pw, ci] * w[ky, kx, ci, co] + bias[co])
 * along x by Winograd's F(tile, KERNEL_W): see winograd.ts. Compute-bound. Faster than the other variants because
 *   - a tile of m columns takes m + KERNEL_W - 1 multiplications a row of the filter instead of m * KERNEL_W;
 *   - it reads each row of x once, like conv2d_direct_rows, so that the lanes together transform it once for all rows of the filter;
 *   - outputs are computed from the sums only when those are complete.
 * A NaN or infinity in x reaches all columns of its tile, not only those whose windows contain it.
 * R replicas: x [R, N, H, W, Ci] as vec4, w [some of R, parts of Ci, KERNEL_H, points, Ci of a part, Co], bias [R, Co], y [R, N, OH, OW, Co].
 */
export function forwardCode(sizes: WinogradSizes): string {
  const { channels, kernel, tile, overlap } = sizes;
  const kh = kernel[0];
  const { points } = algorithm(sizes);
  const { lanes, groups } = sharing(sizes);
  const sample = (point: number, ci: number) => {
    const lane = (g: number) => `${g * lanes + Math.floor(ci / 4)}u`;
    return repeatText(groups, (g) => `subgroupBroadcast(t${point}.${'xyzw'[ci % 4]}, ${lane(g)})`, ' + ');
  };
  const row = (r: number, point: number) => {
    const firstWeight = ((kh - 1 - r) * points + point) * channels;
    return `sum${r * points + point} += ${repeatText(channels, (ci) => `u${ci} * w${firstWeight + ci}`, ' + ')};`;
  };
  const atPoint = (point: number) => `{
      ${repeatText(channels, (ci) => `let u${ci} = ${sample(point, ci)};`)}
      ${repeatText(kh, (r) => row(r, point))}
      }`;
  return rowKernelSource({
    head: `// conv2d, stride 1, by Winograd's algorithm: y = act(sum x * w + bias), ${tile} columns at once. See ${FILE}.`,
    ...{ kernelHeight: kh, tile, overlap, cells: points },
    ...{ weights: weightsPerInvocation(sizes), weightsPerRound: weightsPerRound(sizes) },
    setUp: ownFactors(sizes),
    addRow: `${loadPoints(sizes)}\n${repeatText(points, atPoint)}`,
    outputs: outputs(algorithm(sizes)),
    accumulates: sizes.parts > 1,
  });
}

/**
 * Transforms each row of a filter for Winograd's algorithm:
 *   u[ky, i, ci, co] = sum_kx F[i, kx] * w[ky, kx, ci, co]           FLIP: w[KH - 1 - ky, KW - 1 - kx, co, ci] instead
 * Memory-bound.   R replicas: w [R, KH, KW, Ci, Co], u [some of R, parts of Ci, KH, points, Ci of a part, Co]. FLIP: w [R, KH, KW, Co, Ci]
 */
export function filterCode({ outputs, taps }: { outputs: number; taps: number }): string {
  const { filter, points } = winograd(outputs, taps);
  return `// A filter at the points of Winograd's algorithm: u = F w. See ${FILE}.
override FLIP = false;

struct Params { kernel_h: u32, in_c: u32, out_c: u32, part_c: u32, first_replica: u32 } // of w
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> w: array<f32>;
@group(0) @binding(2) var<storage, read_write> u: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32) {
  let p = params;
  let i = (group.y * groups.x + group.x) * 64u + local;
  let channels = p.in_c * p.out_c;
  if (i >= p.kernel_h * channels) { return; }
  let co = i % p.out_c;
  let ci = i / p.out_c % p.in_c;
  let ky = i / channels;
  let row = ((p.first_replica + group.z) * p.kernel_h + select(ky, p.kernel_h - 1u - ky, FLIP)) * ${taps}u * channels;
  let w_at = row + select(ci * p.out_c + co, co * p.in_c + ci, FLIP);
  ${repeatText(taps, (k) => `let w${k} = w[w_at + select(${k}u, ${taps - 1 - k}u, FLIP) * channels];`)}
  let part = (group.z * (p.in_c / p.part_c) + ci / p.part_c) * p.kernel_h + ky;
  let u_at = (part * ${points}u * p.part_c + ci % p.part_c) * p.out_c + co;
  let step = p.part_c * p.out_c;
  ${repeatText(points, (i) => `u[u_at + ${i}u * step] = ${combination(filter[i]!, (k) => `w${k}`)};`)}
}
`;
}

/** One source of each kernel. They change when this file changes, so the tuner measures the kernels again. */
export function sampleSources(): string[] {
  const sizes = { kernel: [3, 3], tile: 4, overlap: true, padLeft: 1, padded: true, parts: 2 } as const;
  return [16, 32].map((channels) => forwardCode({ ...sizes, channels })).concat(filterCode({ outputs: 4, taps: 3 }));
}
