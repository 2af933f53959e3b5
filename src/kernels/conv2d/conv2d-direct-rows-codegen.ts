import { repeatText } from '../generated.ts';

// Generates the source of the direct convolutions that read each row of x once. The loops are unrolled here rather than in WGSL: values
// stay in registers only if array indices are constants, and not every driver unrolls nested loops over arrays.

/** Named in the first line of the sources, for readers. */
const FILE = 'src/kernels/conv2d/conv2d-direct-rows-codegen.ts';

/** The sizes that the source depends on; all others are in `Params`. */
export interface DirectRowsSizes {
  inChannels: number;
  kernel: readonly [number, number];
  /** Columns of the output that an invocation computes. */
  tile: number;
  /** Whether the last tile of a row overlaps its neighbor. */
  overlap: boolean;
  /** Whether some tiles start in the middle of a vec4 of x. */
  unaligned: boolean;
  /** Pixels that the first and the last window reach outside their row. */
  padLeft: number;
  padRight: number;
}

/** The largest divisor of `n` that is at most `max`. */
export function divisor(n: number, max: number): number {
  for (let d = Math.min(n, max); d > 1; d--) if (n % d === 0) return d;
  return 1;
}

/** Weights that are loaded in a round of the loading loop: few, because drivers take long to compile each load. */
export const weightsPerRound = ({ kernel: [kh, kw], inChannels }: DirectRowsSizes) => divisor(kh * kw * inChannels, 10);

/**
 * Eight lanes load the row of x under the tile, which starts at pixel `at` minus the padding, and broadcast it. `row0`, `row1`, ... are its
 * values, zero outside the row.
 */
function loadRow({ inChannels: c, kernel, tile, unaligned, padLeft, padRight }: DirectRowsSizes): string {
  const pixels = tile + kernel[1] - 1;
  const whole = c % 4 === 0;
  const lead = Math.ceil((padLeft * c) / 4); // vec4 before `at`; their first values do not belong to the window:
  const skipped = 4 * lead - padLeft * c;
  const loads = Math.ceil((pixels * c + skipped + (unaligned ? 2 : 0)) / 32);
  const edge = (pixel: number) => pixel < padLeft || pixel >= pixels - padRight;
  const loaded = (i: number) => {
    const load = `x[start + ${8 * i}u + lane % 8u]`;
    if (!whole || padLeft + padRight === 0) return load;
    return `select(vec4f(), ${load}, ox - ${padLeft}u + (lane % 8u + ${8 * i}u) / ${c / 4}u < p.in_w)`;
  };
  const value = (i: number) => `all${i >> 2}.${'xyzw'[i & 3]}`;
  const row = (i: number) => {
    if (unaligned) return `select(${value(i)}, ${value(i + 2)}, odd)`;
    const pixel = Math.floor(i / c);
    return !whole && edge(pixel) ? `select(0.0, ${value(i + skipped)}, inside${pixel})` : value(i + skipped);
  };
  return [
    `let start = at * ${c}u / 4u - ${lead}u;`, // may wrap below zero, but not for pixels inside the image
    unaligned ? `let odd = at * ${c}u % 4u != 0u;` : '',
    repeatText(pixels, (i) => (edge(i) && !whole ? `let inside${i} = ox + ${i}u - ${padLeft}u < p.in_w;` : ''), ' '),
    repeatText(loads, (i) => `let loaded${i} = ${loaded(i)};`),
    repeatText(8 * loads, (i) => `let all${i} = subgroupBroadcast(loaded${i >> 3}, ${i & 7}u);`),
    repeatText(pixels * c, (i) => `let row${i} = ${row(i)};`),
  ].join('\n');
}

/** The first lines of all kernels: the indices of an invocation. */
const invocationIndices = (
  tile: number,
): string => `  // x: slice of the images, then tile; y: block of output channels; z: replica
  let tiles = (p.out_w + ${tile - 1}u) / ${tile}u;
  let ox = min(group.x % tiles * ${tile}u, p.out_w - ${tile}u); // the last tile may overlap its neighbor
  let first = group.x / tiles * p.slice_length;
  let last = min(first + p.slice_length, p.batch);
  let co = group.y * LANES + local;
  let column = min(co, p.out_c - 1u); // lanes past the last channel compute it again, because all lanes take part in broadcasts
`;

/** WGSL condition: whether column i of a tile does not belong to the neighboring tile. */
const isOwnColumn = (tile: number, i: number) => `ox + ${i}u >= group.x % tiles * ${tile}u`;

/** The parts of a `rowKernelSource`. */
export interface RowSums {
  /** The first line of the source, a comment that says what it computes. */
  head: string;
  kernelHeight: number;
  /** Columns of the output that an invocation computes. */
  tile: number;
  /** Whether tiles overlap at the end of a row; columns of the other tile are not stored. */
  overlap: boolean;
  /** Sums for each row of y that a row of x contributes to. */
  cells: number;
  /** Weights in registers: w0, w1, ... */
  weights: number;
  weightsPerRound: number;
  /** Statements before the loop over the images. */
  setUp: string;
  /** Adds the row of x that starts at pixel `at` to the sums: `sum${r * cells + i}` for row r of those of y. */
  addRow: string;
  /** Computes the columns `out0`, `out1`, ... of a row of y from its sums `sum0`, `sum1`, ... */
  outputs: string;
  /** Whether the kernel can add to y, because the input channels take several dispatches. */
  accumulates?: boolean;
}

/**
 * The source of a convolution with stride 1 that reads each row of x once. An invocation computes one output channel of `tile` columns over
 * a slice of the images. All weights of the channel stay in registers. Each row of x is added to the sums of all KERNEL_H rows of y that it
 * contributes to. If the input channels do not fit at once, a dispatch computes those from `first_channel_vec4` on and adds them to y.
 */
export function rowKernelSource(sums: RowSums): string {
  const {
    head,
    kernelHeight: kh,
    tile,
    overlap,
    cells,
    weights,
    weightsPerRound: brought,
    setUp,
    addRow,
    outputs,
    accumulates: adds,
  } = sums;
  const ifOwnColumn = (i: number) => (overlap ? `if (${isOwnColumn(tile, i)})` : '');
  const store = `if (v >= ${kh - 1}u && co < p.out_c) {
        ${outputs}
        let y_at = ((image * p.out_h + v - ${kh - 1}u) * p.out_w + ox) * p.out_c + co;
        ${repeatText(
          tile,
          (i) => `${ifOwnColumn(i)} {
          ${adds ? `if (p.accumulate != 0u) { out${i} += y[y_at + ${i}u * p.out_c]; }` : ''}
          let s = out${i} + b;
          y[y_at + ${i}u * p.out_c] = apply_epilogue(s, s, p.epilogue);
        }`,
        )}
      }
      ${repeatText((kh - 1) * cells, (i) => `sum${i} = sum${i + cells};`, ' ')}
      ${repeatText(cells, (i) => `sum${(kh - 1) * cells + i} = 0.0;`, ' ')}`;
  return `${head}
enable subgroups;
override LANES = 32u; // the adapter's widest subgroup; any subgroup of eight lanes or more will do
struct Params {
  batch: u32, in_h: u32, in_w: u32, out_h: u32, out_w: u32, out_c: u32, pad_h: u32, slice_length: u32,
  weight_rounds: u32, has_bias: u32, epilogue: u32, accumulate: u32, channel_vec4s: u32, first_channel_vec4: u32, first_weight: u32,
  replica_weights: u32, first_replica: u32, // first_replica: of the dispatch; w holds the weights of its replicas only
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<vec4f>;
@group(0) @binding(2) var<storage, read> w: array<f32>;
@group(0) @binding(3) var<storage, read> bias: array<f32>;
@group(0) @binding(4) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(LANES)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(local_invocation_index) local: u32,
  @builtin(subgroup_invocation_id) lane: u32,
) {
  let p = params;
${invocationIndices(tile)}  var b = 0.0;
  let replica = p.first_replica + group.z;
  if (p.has_bias != 0u) { b = bias[replica * p.out_c + column]; }

  ${repeatText(weights, (i) => `var w${i} = 0.0;`, ' ')}
  var w_at = p.first_weight + group.z * p.replica_weights + column;
  for (var round = 0u; round < p.weight_rounds; round++) {
    ${repeatText(weights - brought, (i) => `w${i} = w${i + brought};`, ' ')}
    ${repeatText(brought, (i) => `w${weights - brought + i} = w[w_at + ${i}u * p.out_c];`)}
    w_at += ${brought}u * p.out_c;
  }
  ${setUp}

  for (var n = first; n < last; n++) {
    let image = replica * p.batch + n;
    // Row v of x, counted from the padding on, is the last row that contributes to row v - KERNEL_H + 1 of y, whose sums are the first.
    ${repeatText(kh * cells, (i) => `var sum${i} = 0.0;`, ' ')}
    for (var v = p.pad_h; v < p.pad_h + p.in_h; v++) {
      let at = (image * p.in_h + v - p.pad_h) * p.in_w + ox; // in pixels
      ${addRow}
      ${store}
    }
    // Rows of y whose windows reach below the image are complete.
    for (var v = p.pad_h + p.in_h; v < p.out_h + ${kh - 1}u; v++) {
      ${store}
    }
  }
}
`;
}

/**
 * conv2d of few channels, stride 1:
 *   y[n, oy, ox, co] = act(sum_{ky, kx, ci} x[n, oy + ky - ph, ox + kx - pw, ci] * w[ky, kx, ci, co] + bias[co])
 * Compute-bound. Faster than the reference because
 *   - it reads each row of x once (see `rowKernelSource`);
 *   - lanes hold different output channels of the same pixels, so each of eight lanes loads a part of the row of x and
 *     broadcasts it: two loads of x for a thousand multiply-adds.
 * R replicas: x [R, N, H, W, Ci] as vec4, w [R, KH, KW, Ci, Co], bias [R, Co], y [R, N, OH, OW, Co]. W * Ci is a multiple of
 * four, and so are tile * Ci and (OW - tile) * Ci, but where no window reaches outside its row they may be of two.
 */
export function forwardCode(sizes: DirectRowsSizes): string {
  const { inChannels, kernel, tile, overlap } = sizes;
  const [kh, kw] = kernel;
  const reach = kw * inChannels; // values of a row under one output
  // Long sums in parts, so that there are enough independent ones to keep the arithmetic busy.
  const part = divisor(reach, 16);
  const product = (ky: number, t: number, first: number) =>
    repeatText(part, (k) => `row${t * inChannels + first + k} * w${ky * reach + first + k}`, ' + ');
  const products = (first: number) =>
    repeatText(kh * tile, (s) => `sum${s} += ${product(kh - 1 - Math.floor(s / tile), s % tile, first)};`);
  return rowKernelSource({
    head: `// conv2d, stride 1, an output channel of ${tile} columns an invocation: y = act(sum x * w + bias). See ${FILE}.`,
    ...{ kernelHeight: kh, tile, overlap, cells: tile, weights: kh * reach },
    ...{ weightsPerRound: weightsPerRound(sizes), setUp: '' },
    addRow: `${loadRow(sizes)}\n${repeatText(reach / part, (i) => products(i * part))}`,
    outputs: repeatText(tile, (i) => `var out${i} = sum${i};`, ' '),
  });
}

/**
 * Gradient of conv2d for its filter, of few input channels, stride 1:
 *   dw[ky, kx, ci, co] = sum_{n, oy, ox} x[n, oy + ky - ph, ox + kx - pw, ci] * dy[n, oy, ox, co]
 * An invocation sums all taps and input channels of one output channel, over `tile` columns of a slice of the images;
 * add_slices adds the slices in their order. On the way it sums dy itself, the gradient of a bias. Compute-bound. Faster than the reference because
 *   - each row of x and of dy is read once, and the last KERNEL_H rows of dy stay in registers, so that
 *     they are multiplied under all taps;
 *   - lanes hold different output channels of the same pixels, so each of eight lanes loads a part of the row of x and
 *     broadcasts it.
 * Columns outside a row of x are zeros, which a NaN or infinity in dy makes NaN: it reaches taps that do not meet it in the image.
 * R replicas: x [R, N, H, W, Ci] as vec4, dy [R, N, OH, OW, Co], partial [some of R, slices] of KH * KW * Ci * Co
 * values and Co more, the sums of dy. W * Ci and tile * Ci as above.
 */
export function weightGradCode(sizes: DirectRowsSizes): string {
  const { inChannels, kernel, tile, overlap } = sizes;
  const [kh, kw] = kernel;
  const reach = kw * inChannels;
  const loaded = (t: number) => {
    const value = `dy[dy_at + ${t}u * p.out_c]`;
    return overlap ? `select(0.0, ${value}, ${isOwnColumn(tile, t)})` : value;
  };
  const product = (ky: number, k: number) =>
    repeatText(tile, (t) => `row${t * inChannels + k} * d${ky * tile + t}`, ' + ');
  return `// Gradient of conv2d for its filter, stride 1, over ${tile} columns an invocation: dw = sum x * dy. See ${FILE}.
enable subgroups;
override LANES = 32u; // the adapter's widest subgroup; any subgroup of eight lanes or more will do
struct Params {
  batch: u32, in_h: u32, in_w: u32, out_h: u32, out_w: u32, out_c: u32, pad_h: u32, slice_length: u32, slices: u32, slice_size: u32,
  first_row: u32, rows: u32, first_tap: u32, store_rounds: u32, filter_size: u32, has_column_sums: u32,
  first_replica: u32, first_of_sums: u32, // first replica of the dispatch, and its index in partial
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<vec4f>;
@group(0) @binding(2) var<storage, read> dy: array<f32>;
@group(0) @binding(3) var<storage, read_write> partial: array<f32>;

@compute @workgroup_size(LANES)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(local_invocation_index) local: u32,
  @builtin(subgroup_invocation_id) lane: u32,
) {
  let p = params;
${invocationIndices(tile)}
  ${repeatText(kh * reach, (i) => `var sum${i} = 0.0;`, ' ')}
  var column_sum = 0.0;
  for (var n = first; n < last; n++) {
    let image = (p.first_replica + group.z) * p.batch + n;
    // The rows of dy under the row of x, for each ky.
    ${repeatText(kh * tile, (i) => `var d${i} = 0.0;`, ' ')}
    for (var v = 0u; v < p.rows; v++) {
      ${repeatText((kh - 1) * tile, (i) => `d${kh * tile - 1 - i} = d${(kh - 1) * tile - 1 - i};`, ' ')}
      let dy_at = ((image * p.out_h + min(v, p.out_h - 1u)) * p.out_w + ox) * p.out_c + column;
      ${repeatText(tile, (t) => `d${t} = ${loaded(t)};`)}
      column_sum += select(0.0, ${repeatText(tile, (t) => `d${t}`, ' + ')}, v < p.out_h);
      let row_inside = v >= p.pad_h;
      let at = (image * p.in_h + p.first_row + select(0u, v - p.pad_h, row_inside)) * p.in_w + ox; // in pixels
      ${loadRow(sizes)}
      // Rows of dy above the first and below the last do not exist. The values read instead may be NaN, so multiplying by 0 would not do.
      ${repeatText(kh, (ky) => `let met${ky} = row_inside && v - ${ky}u < p.out_h;`)}
      ${repeatText(kh * reach, (i) => `sum${i} += select(0.0, ${product(Math.floor(i / reach), i % reach)}, met${Math.floor(i / reach)});`)}
    }
  }

  if (co >= p.out_c) { return; }
  let slice_at = ((p.first_of_sums + group.z) * p.slices + group.x) * p.slice_size + co;
  if (p.has_column_sums != 0u) { partial[slice_at + p.filter_size] = column_sum; }
  var partial_at = slice_at + p.first_tap * p.out_c;
  for (var round = 0u; round < p.store_rounds; round++) {
    ${repeatText(kh, (ky) => `partial[partial_at + ${ky * reach}u * p.out_c] = sum${ky * reach};`)}
    ${repeatText(kh, (ky) => repeatText(reach - 1, (k) => `sum${ky * reach + k} = sum${ky * reach + k + 1};`, ' '))}
    partial_at += p.out_c;
  }
}
`;
}

/** One source of each kernel. They change when this file changes, so the tuner measures the kernels again. */
export function sampleSources(): string[] {
  const sizes: DirectRowsSizes = {
    inChannels: 3,
    kernel: [3, 3],
    tile: 4,
    overlap: true,
    unaligned: false,
    padLeft: 1,
    padRight: 1,
  };
  return [forwardCode(sizes), weightGradCode(sizes)];
}
