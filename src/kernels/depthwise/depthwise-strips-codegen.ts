// Generates the source of the depthwise convolutions by strips. The loops are unrolled here rather than in WGSL: values stay in registers
// only if array indices are constants, and not every driver unrolls nested loops over arrays.

/** The sizes that the source depends on; all others are in `Params`. */
export interface StripSizes {
  /** Neighboring channels of an invocation. */
  vectorWidth: 1 | 4;
  kernel: readonly [number, number];
  strides: readonly [number, number];
  dilation: readonly [number, number];
  multiplier: number;
  /** Columns of a strip: of y or dx, or of dy in a weight gradient. */
  tile: number;
  /** Columns that are outside the image in some strip: of those read under its windows, and of the strip itself. */
  edges: { read: readonly number[]; own: readonly number[] };
  /** Invocations along the channels, and along the strips. */
  workgroup: readonly [number, number];
}

/** Rows or columns from the first to the last tap. */
export const extentOf = ({ kernel, dilation }: Pick<StripSizes, 'kernel' | 'dilation'>, axis: 0 | 1): number =>
  (kernel[axis] - 1) * dilation[axis] + 1;

/** Rows of y whose windows contain the `stride` rows of x of one iteration. */
export const openRows = (sizes: Pick<StripSizes, 'kernel' | 'dilation' | 'strides'>): number =>
  Math.ceil(extentOf(sizes, 0) / sizes.strides[0]);

const range = (n: number) => Array.from({ length: n }, (_, i) => i);
const lines = (parts: readonly string[]) => parts.join('\n');
/** Lines `piece(i, j)` for i < m and j < n; j changes faster. */
const grid = (m: number, n: number, piece: (i: number, j: number) => string) =>
  lines(range(m).flatMap((i) => range(n).map((j) => piece(i, j))));
/** A term that is 0 unless the conditions hold. Multiplying by 0 would not do, because 0 * NaN is NaN. */
const guarded = (term: string, conditions: readonly string[]) =>
  conditions.length === 0 ? term : `select(Value(), ${term}, ${conditions.join(' && ')})`;

/** The head of all kernels. A Value is one channel, or four; then channels count vec4. */
function head({ vectorWidth, workgroup }: StripSizes, bindings: readonly string[]): string {
  const access = (i: number) => (i === bindings.length - 1 ? 'read_write' : 'read');
  return `// A depthwise convolution, or a gradient of it, by strips of columns. See src/kernels/depthwise/depthwise-strips-codegen.ts.
alias Value = ${vectorWidth === 1 ? 'f32' : 'vec4f'};
struct Params {
  batch: u32, in_h: u32, in_w: u32, in_c: u32, out_h: u32, out_w: u32, out_c: u32, pad_h: u32, pad_w: u32,
  strips: u32, strips_at_once: u32, strip_groups: u32, rows: u32, blocks: u32, images: u32, slices: u32,
  first_replica: u32, has_bias: u32,
}
@group(0) @binding(0) var<uniform> params: Params;
${lines(bindings.map((name, i) => `@group(0) @binding(${i + 1}) var<storage, ${access(i)}> ${name}: array<Value>;`))}

@compute @workgroup_size(${workgroup})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_id) local: vec3u) {
  let p = params;
  // x: channel; y: some of the strips, and block of rows; z: slice of the images, and replica
  let channel = group.x * ${workgroup[0]}u + local.x; // of y
  let place = group.y * ${workgroup[1]}u + local.y;
  let block = place / p.strip_groups;
  if (channel >= p.out_c || block >= p.blocks) { return; }
  let strip_group = place - block * p.strip_groups;
  let first_strip = strip_group * p.strips_at_once;
  let last_strip = min(first_strip + p.strips_at_once, p.strips);
  let slice = group.z % p.slices;
  let replica = p.first_replica + group.z / p.slices;
  let first_image = replica * p.batch + slice * p.images;
  let last_image = replica * p.batch + min((slice + 1u) * p.images, p.batch);`;
}

/** The channel of x that belongs to one of y. */
const inputChannel = ({ multiplier }: StripSizes) => (multiplier === 1 ? 'channel' : `channel / ${multiplier}u`);

/** The weights of the channel: w0_0, w0_1, ... */
const loadWeights = ({ kernel: [kh, kw] }: StripSizes) => `
  let w_at = replica * ${kh * kw}u * p.out_c + channel;
  ${grid(kh, kw, (ky, kx) => `let w${ky}_${kx} = w[w_at + ${ky * kw + kx}u * p.out_c];`)}`;

/** Loops over the images and strips of an invocation. */
const loopOverStrips = (body: string) => `
  for (var image = first_image; image < last_image; image++) {
    for (var strip = first_strip; strip < last_strip; strip++) {
${body}
    }
  }`;

/** The first columns of a strip of y and of x under it, and the tests of columns that may be outside the image. */
const stripStart = ({ tile, strides, edges }: StripSizes) => `
    let ox = strip * ${tile}u;
    let ix = ox * ${strides[1]}u - p.pad_w; // may wrap below zero, but not for columns inside the image
    ${lines(edges.read.map((k) => `let inside${k} = ix + ${k}u < p.in_w;`))}
    ${lines(edges.own.map((i) => `let own${i} = ox + ${i}u < p.out_w;`))}`;

/** Column of x, counted from the first one under the strip, that column i of the strip is multiplied with under tap column kx. */
const columnUnder = ({ strides, dilation }: StripSizes, i: number, kx: number) => i * strides[1] + kx * dilation[1];

/**
 * Reads row j of the `stride` rows of x of iteration t. It is under row ky of the taps in the window of row t - d of y.
 * @param add statements that add the columns `x0`, `x1`, ... of the row under these taps
 */
function readRow(sizes: StripSizes, j: number, add: (d: number, ky: number) => string): string {
  const { kernel, strides, dilation, tile } = sizes;
  const taps = range(openRows(sizes)).flatMap((d) => {
    const distance = d * strides[0] + j; // from the window's first row
    return distance % dilation[0] === 0 && distance < extentOf(sizes, 0) ? [{ d, ky: distance / dilation[0] }] : [];
  });
  if (taps.length === 0) return '';
  const columns = new Set(range(tile).flatMap((i) => range(kernel[1]).map((kx) => columnUnder(sizes, i, kx))));
  return `{
        let iy = t * ${strides[0]}u + ${j}u - p.pad_h; // above the image: wraps to a huge number
        if (iy < p.in_h) {
          let at = ((image * p.in_h + iy) * p.in_w + ix) * p.in_c + c;
          ${lines([...columns].map((k) => `let x${k} = x[at + ${k}u * p.in_c];`))}
          ${lines(taps.map(({ d, ky }) => add(d, ky)))}
        }
      }`;
}

/**
 * depthwiseConv2d: y[n, oy, ox, c*M + m] = sum_{ky, kx} x[n, oy*sh + ky*dh - ph, ox*sw + kx*dw - pw, c] * w[ky, kx, c, m] + bias[c*M + m]
 * An invocation computes one output channel (or four), some strips of columns, a block of rows and some images. Memory-bound.
 * Faster than the reference because it loops over the rows of x: each is read once and added to the sums of all rows of y that it
 * contributes to. So a value is read (tile + KW - 1) / tile times (stride 1) rather than KH * KW times, and a weight once.
 * R replicas: x [R, N, H, W, C], w [R, KH, KW, C, M], bias [R, C*M], y [R, N, OH, OW, C*M]
 */
export function forwardCode(sizes: StripSizes): string {
  const { kernel, strides, tile, edges } = sizes;
  const last = openRows(sizes) - 1;
  const product = (i: number, ky: number, kx: number) => {
    const column = columnUnder(sizes, i, kx);
    return guarded(`x${column} * w${ky}_${kx}`, edges.read.includes(column) ? [`inside${column}`] : []);
  };
  const add = (d: number, ky: number) => grid(tile, kernel[1], (i, kx) => `sum${d}_${i} += ${product(i, ky, kx)};`);
  return `${head(sizes, ['x', 'w', 'bias', 'y'])}
  let c = ${inputChannel(sizes)};
  var b = Value();
  if (p.has_bias != 0u) { b = bias[replica * p.out_c + channel]; }
  let first = block * p.rows;
  let last = min(first + p.rows, p.out_h);${loadWeights(sizes)}${loopOverStrips(`${stripStart(sizes)}
    ${grid(last + 1, tile, (d, i) => `var sum${d}_${i} = Value();`)}
    for (var t = first; t < last + ${last}u; t++) {
      ${lines(range(strides[0]).map((j) => readRow(sizes, j, add)))}
      if (t >= first + ${last}u) { // row t - ${last} is complete
        let y_at = ((image * p.out_h + t - ${last}u) * p.out_w + ox) * p.out_c + channel;
        ${lines(range(tile).map((i) => `${edges.own.includes(i) ? `if (own${i}) ` : ''}{ y[y_at + ${i}u * p.out_c] = sum${last}_${i} + b; }`))}
      }
      ${grid(last, tile, (d, i) => `sum${last - d}_${i} = sum${last - d - 1}_${i};`)}
      ${grid(1, tile, (_, i) => `sum0_${i} = Value();`)}
    }`)}
}
`;
}

/**
 * Gradient of depthwiseConv2d for its input, of one filter a channel:
 *   dx[n, iy, ix, c] = sum_{ky, kx} dy[n, oy, ox, c] * w[ky, kx, c]   over all (oy, ky) with oy*sh + ky*dh - ph = iy
 * An invocation computes one channel (or four), some strips of columns of dx, a block of rows and some images. Memory-bound.
 * Faster than the reference because it loops over the rows of dy: each is read once and added to the rows of dx under its window, of
 * which the first sh are then complete. The tap between a column of dy and one of dx is known when the source is generated, so the
 * kernel needs no divisions or tests for strides.
 * R replicas: dy [R, N, OH, OW, C], w [R, KH, KW, C, 1], dx [R, N, H, W, C]
 */
export function inputGradCode(sizes: StripSizes): string {
  const { kernel, strides, dilation, tile, edges } = sizes;
  const [sh, sw] = strides;
  const open = openRows(sizes);
  const rows = open * sh;
  const groups = tile / sw; // groups of sw columns, each of which begins under a column of dy
  const before = Math.ceil(extentOf(sizes, 1) / sw) - 1; // columns of dy before the strip whose windows reach into it
  const terms = range(before + groups)
    .flatMap((k) => range(kernel[1]).map((kx) => ({ k, kx, u: (k - before) * sw + kx * dilation[1] })))
    .filter(({ u }) => u >= 0 && u < tile);
  const product = (k: number, ky: number, kx: number) =>
    guarded(`dy${k} * w${ky}_${kx}`, edges.read.includes(k) ? [`inside${k}`] : []);
  const add = (ky: number) =>
    lines(terms.map(({ k, kx, u }) => `sum${ky * dilation[0]}_${u} += ${product(k, ky, kx)};`));
  const store = (j: number) => `{
          let iy = t * ${sh}u + ${j}u - p.pad_h;
          if (iy < p.in_h) {
            let dx_at = ((image * p.in_h + iy) * p.in_w + ix) * p.in_c + channel;
            ${lines(range(tile).map((u) => `${edges.own.includes(u) ? `if (own${u}) ` : ''}{ dx[dx_at + ${u}u * p.in_c] = sum${j}_${u}; }`))}
          }
        }`;
  return `${head(sizes, ['dy', 'w', 'dx'])}
  // Row t of dy completes the ${sh} rows of dx from t * ${sh} - pad_h on.
  let first = p.pad_h / ${sh}u + block * p.rows;
  let last = min(first + p.rows, (p.pad_h + p.in_h - 1u) / ${sh}u + 1u);${loadWeights(sizes)}${loopOverStrips(`
    let first_group = p.pad_w / ${sw}u + strip * ${groups}u;
    let ox = first_group - ${before}u; // both may wrap below zero, but not for columns inside the image
    let ix = first_group * ${sw}u - p.pad_w;
    ${lines(edges.read.map((k) => `let inside${k} = ox + ${k}u < p.out_w;`))}
    ${lines(edges.own.map((u) => `let own${u} = ix + ${u}u < p.in_w;`))}
    ${grid(rows, tile, (r, u) => `var sum${r}_${u} = Value();`)}
    for (var t = first - ${open - 1}u; t != last; t++) { // may begin below zero
      if (t < p.out_h) {
        let at = ((image * p.out_h + t) * p.out_w + ox) * p.out_c + channel;
        ${lines([...new Set(terms.map(({ k }) => k))].map((k) => `let dy${k} = dy[at + ${k}u * p.out_c];`))}
        ${lines(range(kernel[0]).map(add))}
      }
      if (t - first < p.rows) {
        ${lines(range(sh).map(store))}
      }
      ${grid(rows - sh, tile, (r, u) => `sum${r}_${u} = sum${r + sh}_${u};`)}
      ${grid(sh, tile, (j, u) => `sum${rows - sh + j}_${u} = Value();`)}
    }`)}
}
`;
}

/**
 * Gradient of depthwiseConv2d for its filter, first of two passes: the sums over some strips of columns, a block of rows and a slice of
 * the images, together slice s:
 *   part[s, ky, kx, c*M + m] = sum_{(n, oy, ox) in s} dy[n, oy, ox, c*M + m] * x[n, oy*sh + ky*dh - ph, ox*sw + kx*dw - pw, c]
 * An invocation computes all taps of one output channel (or four). Memory-bound. The slices depend on the shape of one replica alone.
 * Faster than the reference because it loops over the rows: each row of x and of dy is read once, and the last rows of dy stay in
 * registers, so that they are multiplied under all taps.
 * R replicas: x [R, N, H, W, C], dy [R, N, OH, OW, C*M], part [R, slices, KH, KW, C*M]
 */
export function weightGradCode(sizes: StripSizes): string {
  const { kernel, strides, tile, edges } = sizes;
  const [kh, kw] = kernel;
  const open = openRows(sizes);
  const product = (d: number, i: number, kx: number) => {
    const column = columnUnder(sizes, i, kx);
    const read = edges.read.includes(column) ? [`inside${column}`] : [];
    return guarded(`x${column} * dy${d}_${i}`, [...read, ...(edges.own.includes(i) ? [`own${i}`] : [])]);
  };
  const add = (d: number, ky: number) =>
    grid(1, kw, (_, kx) => {
      const products = range(tile).map((i) => product(d, i, kx));
      return `sum${ky}_${kx} += ${guarded(products.join(' + '), open > 1 ? [`met${d}`] : [])};`;
    });
  return `${head(sizes, ['x', 'dy', 'part'])}
  let c = ${inputChannel(sizes)};
  let first = block * p.rows;
  let count = min(p.rows, p.out_h - first);
  ${grid(kh, kw, (ky, kx) => `var sum${ky}_${kx} = Value();`)}${loopOverStrips(`${stripStart(sizes)}
    ${grid(open, tile, (d, i) => `var dy${d}_${i} = Value();`)}
    for (var step = 0u; step < count + ${open - 1}u; step++) {
      let t = first + step;
      ${grid(open - 1, tile, (d, i) => `dy${open - 1 - d}_${i} = dy${open - 2 - d}_${i};`)}
      if (step < count) {
        let dy_at = ((image * p.out_h + t) * p.out_w + ox) * p.out_c + channel;
        ${grid(1, tile, (_, i) => `dy0_${i} = dy[dy_at + ${i}u * p.out_c];`)}
      }
      // Rows of dy outside the block belong to another block, or do not exist. The values in registers may be NaN, so 0 would not do.
      ${open > 1 ? grid(1, open, (_, d) => `let met${d} = step - ${d}u < count;`) : ''}
      ${lines(range(strides[0]).map((j) => readRow(sizes, j, add)))}
    }`)}
  let part_at = (((replica * p.slices + slice) * p.blocks + block) * p.strip_groups + strip_group) * ${kh * kw}u * p.out_c + channel;
  ${grid(kh, kw, (ky, kx) => `part[part_at + ${ky * kw + kx}u * p.out_c] = sum${ky}_${kx};`)}
}
`;
}

/** One source of each kernel. They change when this file changes, so the tuner measures the kernels again. */
export function sampleSources(): string[] {
  const sizes: StripSizes = {
    ...{ vectorWidth: 1, kernel: [3, 3], strides: [2, 2], dilation: [1, 1], multiplier: 1, tile: 4, workgroup: [8, 8] },
    edges: { read: [0, 1], own: [3] },
  };
  return [forwardCode(sizes), inputGradCode(sizes), weightGradCode(sizes)];
}
