import { repeatText } from '../generated.ts';

/**
 * Generates the convolutions as matrix products tiled in workgroup memory, c[m, n] = sum_k a(m, k) * b(k, n):
 *
 *     FORWARD      m output pixel, n co, k (ky, kx, ci):   a = x[pixel under the tap, ci],  b = w[ky, kx, ci, co]
 *     INPUT_GRAD   m input pixel,  n ci, k (ky, kx, co):   a = dy[pixel over the tap, co],  b = w[ky, kx, ci, co]
 *     WEIGHT_GRAD  m (ky, kx, ci), n co, k output pixel:   a = x[pixel under the tap, ci],  b = dy[pixel, co]
 *
 * Compute-bound. For GPUs: a value is read once into a tile in workgroup memory and multiplied with 64 or `columns` others. Nothing in the
 * loop divides. For the first two operations, a step has 16 channels under one tap, so the tap is a uniform counter, and all pixels move by
 * the same offset. For the third, a step has 16 pixels, and an invocation's pixel moves with carries at the ends of rows and images.
 *
 * Four parts of a workgroup compute the same 64 x `columns` results, each from four of a step's 16 k, and add up their sums at the end. So
 * small convolutions have enough waves, and each sum is shorter. An invocation computes eight rows of four or eight columns.
 *
 * The text is written for AMD's compiler (Mesa 25.0 for GCN 5, RDNA 2 and RDNA 3), after its assembly:
 *   - The next step's values are loaded while this step is computed. The compiler would move a loop over k before these loads, so k is unrolled.
 *   - Loads are not in branches, where each would be waited for. Instead the address is selected, and the value is set to zero where it is
 *     stored into the tile: earlier, it would be waited for too.
 *   - Two tiles alternate, so a step has one barrier.
 *   - Indices of a tile are computed before the loop, which the compiler would not do itself, and end in a remainder, so that Tint sees that
 *     they need no bounds check.
 *
 * Channels are loaded as vec4 if their number allows, else as scalars. With several `levels`, sums of 256 products are folded into a
 * second level, and 256 of those into a third (see long-sums.ts). Outside the image a is zero, which a NaN or infinity in b makes NaN,
 * whereas the reference omits the product.
 *
 *     R replicas: x [R, N, H, W, Ci], w [R, KH, KW, Ci, Co], bias [R, Co], dy [R, N, OH, OW, Co], c [R, m, n] or [some of R, slices, m, n]
 */
const FILE = 'src/kernels/conv2d/conv2d-gemm-tiled-codegen.ts';

export const [FORWARD, INPUT_GRAD, WEIGHT_GRAD] = [0, 1, 2] as const;

/** Values of k in a step. */
export const DEPTH = 16;
/** Parts of a workgroup, each of which adds up a part of each sum. */
export const PARTS = 4;
/** Rows of the result that a workgroup computes. */
export const ROWS = 64;

/** What the source depends on; all else is in `Params`. */
export interface TiledSource {
  operation: typeof FORWARD | typeof INPUT_GRAD | typeof WEIGHT_GRAD;
  /** Columns of the result that a workgroup computes. With 64, both tiles of both factors take 16 KiB. */
  columns: 8 | 16 | 32 | 64;
  /** Whether `left`, `right` and the output have channels in multiples of four. */
  isLeftVec4: boolean;
  isRightVec4: boolean;
  isOutputVec4: boolean;
  /** Whether an input gradient has strides: then some pixels have no pixel of dy over a tap. */
  hasStrides: boolean;
  /** Levels of the sums. */
  levels: 1 | 2 | 3;
  /** Whether to unroll loops. On a CPU, that would compile for seconds. */
  unroll: boolean;
}

export function tiledCode(source: TiledSource): string {
  const { operation, columns, isLeftVec4, isRightVec4, isOutputVec4, levels, unroll } = source;
  const isWeightGrad = operation === WEIGHT_GRAD;
  const isInputGrad = operation === INPUT_GRAD;
  const hasStrides = isInputGrad && source.hasStrides;
  const halves = columns === 64 ? 2 : 1; // vec4 of columns of an invocation, half a tile apart as its two vec4 of rows
  const sums = 8 * halves; // vec4, by row, then by half
  const across = columns / 4 / halves; // invocations along the columns
  const partSize = 8 * across; // invocations
  const size = PARTS * partSize;
  const [rowVec4s, columnVec4s] = [ROWS / 4, columns / 4];
  const rowLength = rowVec4s + columnVec4s; // vec4 of a tile for one k: of `left`, then of `right`
  // vec4 of a step that an invocation loads. If there are fewer of `right` than invocations, some load values that are not stored.
  const leftLoads = (DEPTH * rowVec4s) / size;
  const rightLoads = Math.ceil((DEPTH * columnVec4s) / size);
  const isRightPartial = DEPTH * columnVec4s < size;
  const leftStep = isLeftVec4 ? 1 : 4; // elements of `left` in four channels
  const rightStep = isRightVec4 ? 1 : 4;
  const lines = (n: number, piece: (i: number) => string) => repeatText(n, piece, '\n  ');
  const words = (n: number, piece: (i: number) => string) => repeatText(n, piece, ' ');

  /** Loads four channels from `at` on. With scalars, each has its own condition. */
  const load = (array: string, isVec4: boolean, at: string, ok: string) =>
    isVec4
      ? `${array}[select(0u, ${at}, ${ok}.x)]`
      : `vec4f(${repeatText(4, (j) => `${array}[select(0u, ${at} + ${j}u, ${ok}[${j}])]`, ', ')})`;
  /** Whether each of four channels from `first` on is below `end`. */
  const isBelow = (isVec4: boolean, first: string, end: string) =>
    isVec4 ? `vec4<bool>(${first} < ${end})` : `(vec4u(${first}) + FOUR < vec4u(${end}))`;

  // What an invocation loads: for the weight gradient pixel `lane % 16` and a vec4 of rows or columns; else for channels from
  // 4 * lane4 on a pixel; of the filter, a row and vec4 of columns (forward), or a column (input gradient).
  const vec4Of = (i: number) => `(lane4 + lane / 16u * 4u + ${(size / 16) * i}u)`;
  const indexOf = (i: number) => `(lane + ${(size / 4) * i}u)`;
  const row = (isWeightGrad ? '(lane % 16u)' : '(4u * lane4)') as string; // of the tile

  // y, x and positions in `left` may wrap below zero, outside the image or before the offset of the tap is added.
  const setUpLeft = (i: number) => {
    if (isWeightGrad)
      return `let m${i} = min((p.first_tile + group.x) * ${rowVec4s}u + ${vec4Of(i)}, p.row_vec4s - 1u);
  let tap${i} = m${i} / p.tap_vec4s;
  let tap_y${i} = tap${i} / p.kernel_w * p.dilation_h;
  let tap_x${i} = tap${i} % p.kernel_w * p.dilation_w + (m${i} - tap${i} * p.tap_vec4s) * ${leftStep}u;
  let left_at${i} = tap_y${i} * p.left_w + tap_x${i};
  let y${i} = tap_y${i} - p.pad_h;
  let x${i} = tap_x${i} - p.pad_w;`;
    return `let m${i} = min((p.first_tile + group.x) * ${ROWS}u + ${indexOf(i)}, p.rows - 1u);
  let line${i} = m${i} / p.grid_w;
  let image${i} = line${i} / p.grid_h;
  let grid_y${i} = line${i} - image${i} * p.grid_h;
  let grid_x${i} = m${i} - line${i} * p.grid_w;
  ${
    isInputGrad
      ? `let y${i} = (grid_y${i} + p.pad_h) / p.stride_h;
  let x${i} = (grid_x${i} + p.pad_w) / p.stride_w * p.channels + lane4 * ${leftStep}u;
  let rest_y${i} = (grid_y${i} + p.pad_h) % p.stride_h;
  let rest_x${i} = (grid_x${i} + p.pad_w) % p.stride_w;`
      : `let y${i} = grid_y${i} * p.stride_h - p.pad_h;
  let x${i} = grid_x${i} * p.stride_w - p.pad_w + lane4 * ${leftStep}u;`
  }
  let left_at${i} = ((replica * p.batch + image${i}) * p.left_h + y${i}) * p.left_w + x${i};`;
  };
  const setUpRight = (i: number) =>
    isInputGrad
      ? `let right_at${i} = (replica * p.taps * p.n + min(group.y * ${columns}u + ${indexOf(i)}, p.n - 1u)) * p.channels + lane4 * ${rightStep}u;`
      : `let column${i} = min((group.y * ${columnVec4s}u + ${isWeightGrad ? vec4Of(i) : `${indexOf(i)} % ${columnVec4s}u`}) * ${rightStep}u, p.right_w - 1u);
  ${
    isWeightGrad
      ? `let right_at${i} = column${i};`
      : `let channel${i} = 4u * lane4 + ${indexOf(i)} / ${columnVec4s}u % 4u;
  let right_at${i} = (replica * p.taps * p.tap_channels + channel${i}) * p.right_w + column${i};`
  }`;
  // Of the weight gradient: the pixel of x under the first tap, without the padding in y and x. Else: the tap, and the element of its channels.
  const setUpStep = isWeightGrad
    ? `var k = group.z % p.slices * p.slice_length + lane % 16u;
  let last = min((group.z % p.slices + 1u) * p.slice_length, p.pixels);
  let line = k / p.grid_w;
  let image = line / p.grid_h;
  var y = (line - image * p.grid_h) * p.stride_h;
  var x = (k - line * p.grid_w) * p.stride_w;
  var left_at = ((replica * p.batch + image) * p.left_h + y - p.pad_h) * p.left_w + x - p.pad_w;
  var right_at = (replica * p.pixels + k) * p.right_w;`
    : 'var kx = 0u; var ky = 0u; var element = 0u;';
  const advance = isWeightGrad
    ? `k += ${DEPTH}u; y += p.step_y; x += p.step_x; left_at += p.step_at; right_at += ${DEPTH}u * p.right_w;
    if (x >= p.end_x) { x -= p.end_x; y += p.stride_h; left_at += p.next_row; }
    if (y >= p.end_y) { y -= p.end_y; left_at += p.next_image; }`
    : `element += ${4 * leftStep}u;
    if (element >= p.channels) {
      element = 0u;
      kx++;
      if (kx == p.kernel_w) { kx = 0u; ky++; }
    }`;
  const move = isInputGrad
    ? `let y = 0u - ky * p.dilation_h / p.stride_h;
    let x = element - kx * p.dilation_w / p.stride_w * p.channels;
    let rest_y = ky * p.dilation_h % p.stride_h;
    let rest_x = kx * p.dilation_w % p.stride_w;`
    : `let y = ky * p.dilation_h;
    let x = kx * p.dilation_w + element;`;

  const loadLeft = (i: number) => {
    const conditions = [
      `y + y${i} < p.left_h`,
      isWeightGrad ? 'k < last' : '',
      hasStrides ? `rest_y == rest_y${i} && rest_x == rest_x${i}` : '',
    ].filter(Boolean);
    const hasChannel = isWeightGrad ? '' : ' & has_channel';
    return `left_ok${i} = vec4<bool>(${conditions.join(' && ')}) & ${isBelow(isLeftVec4, `x + x${i}`, 'p.left_w')}${hasChannel};
    left${i} = ${load('left', isLeftVec4, `left_at + left_at${i}`, `left_ok${i}`)};`;
  };
  const loadRight = (i: number) => {
    const isColumn = isRightVec4 ? '' : ` & (vec4u(column${i}) + FOUR < vec4u(p.right_w))`;
    const channel = `element * ${4 / leftStep}u + channel${i} < p.tap_channels`;
    const ok = isInputGrad ? 'has_channel' : `vec4<bool>(${isWeightGrad ? 'k < last' : channel})${isColumn}`;
    return `right_ok${i} = ${ok};
    right${i} = ${load('right', isRightVec4, `right_at + right_at${i}`, `right_ok${i}`)};`;
  };
  const loads = `{
    ${
      isWeightGrad
        ? ''
        : `${move}
    let left_at = y * p.left_w + x;
    let tap = ky * p.kernel_w + kx;
    let right_at = ${isInputGrad ? 'tap * p.n * p.channels + element' : `(tap * p.tap_channels + element * ${4 / leftStep}u) * p.right_w`};
    let has_channel = ${isBelow(isLeftVec4, `element + lane4 * ${leftStep}u`, 'p.channels')};`
    }
    ${lines(leftLoads, loadLeft)}
    ${lines(rightLoads, loadRight)}
  }`;

  /** Where a vec4 is in a row of the tile. In every other four rows they are swapped, so that invocations that write a column of scalars use different banks. */
  const swapped = (vec4: string, count: number, row: string) =>
    count < 8 ? `${vec4} % ${count}u` : `((${vec4}) ^ (${row} & 4u)) % ${count}u`;
  /** Of `right`, only the input gradient writes columns of scalars. */
  const swappedRight = (vec4: string, row: string) =>
    `${rowVec4s}u + ${isInputGrad ? swapped(vec4, columnVec4s, row) : `${vec4} % ${columnVec4s}u`}`;
  const setUpStores = `${lines(leftLoads, (i) => `let left_to${i} = ${row} * ${rowLength}u + ${swapped(isWeightGrad ? vec4Of(i) : `(${indexOf(i)} / 4u)`, rowVec4s, row)};`)}
  ${lines(rightLoads, (i) => {
    const vec4 = isWeightGrad ? vec4Of(i) : isInputGrad ? `(${indexOf(i)} / 4u)` : indexOf(i);
    return `let right_to${i} = ${isWeightGrad || isInputGrad ? row : `channel${i}`} * ${rowLength}u + ${swappedRight(vec4, row)};`;
  })}`;
  const store = (name: string, i: number, isColumn: boolean) => {
    const value = `select(vec4f(), ${name}${i}, ${name}_ok${i})`;
    return isColumn
      ? `{ let v = ${value}; ${words(4, (j) => `tile[buffer][${name}_to${i} + ${j * rowLength}u][lane % 4u] = v[${j}];`)} }`
      : `tile[buffer][${name}_to${i}] = ${value};`;
  };
  const hasRight = isWeightGrad ? `${vec4Of(0)} < ${columnVec4s}u` : `lane < ${columns}u`;
  const stores = `${lines(leftLoads, (i) => store('left', i, !isWeightGrad))}
    ${lines(rightLoads, (i) => (isRightPartial ? `if (${hasRight}) { ${store('right', i, isInputGrad)} }` : store('right', i, isInputGrad)))}`;

  // An invocation's vec4 of a row of the tile, in the first row of its part.
  const partRow = `part * ${(DEPTH / PARTS) * rowLength}u`;
  const setUpReads = `${words(2, (h) => `let row${h} = ${partRow} + ${swapped(`(row4 + ${8 * h}u)`, rowVec4s, '(part * 4u)')};`)}
  ${words(halves, (h) => `let column_of_half${h} = ${partRow} + ${swappedRight(`(column4 + ${across * h}u)`, '(part * 4u)')};`)}`;
  const read = (k: string) =>
    `let u${k} = tile[buffer][row0 + ${k}u * ${rowLength}u]; let v${k} = tile[buffer][row1 + ${k}u * ${rowLength}u]; ${words(halves, (h) => `let r${k}_${h} = tile[buffer][column_of_half${h} + ${k}u * ${rowLength}u];`)}`;
  const products = (k: string) =>
    words(
      sums,
      (i) => `c${i} += ${i < sums / 2 ? 'u' : 'v'}${k}.${'xyzw'[Math.floor(i / halves) % 4]} * r${k}_${i % halves};`,
    );
  const depth = DEPTH / PARTS;
  // The next k's values are read before this k's products, which would wait for them.
  const multiply = unroll
    ? `${read('0')}
    ${lines(
      depth,
      (k) => `${k + 1 < depth ? read(`${k + 1}`) : ''}
    ${products(`${k}`)}`,
    )}`
    : `for (var i = 0u; i < ${depth}u * p.one; i++) { ${read('i').replaceAll('iu *', 'i *')} ${products('i')} }`;

  const zeros = (name: string) => words(sums, (i) => `var ${name}${i} = vec4f();`);
  const fold = (to: string, name: string) => words(sums, (i) => `${to}${i} += ${name}${i}; ${name}${i} = vec4f();`);
  const foldEvery = (additions: number, to: string, name: string) =>
    `if ((step + 1u) % ${(additions * PARTS) / DEPTH}u == 0u) { ${fold(to, name)} }`;

  // All parts write two of their sums, and one part adds them up and keeps them; the next part keeps the next two.
  const addParts = (i: string, first: string, second: string) => `workgroupBarrier();
  tile[0][local] = ${first}; tile[1][local] = ${second};
  workgroupBarrier();
  if (part == ${i} / 2u % ${PARTS}u) {
    ${[first, second].map((sum, n) => `${sum} = ${repeatText(PARTS, (s) => `tile[${n}][${s * partSize}u + local % ${partSize}u]`, ' + ')};`).join(' ')}
  }`;
  const storeSum = (i: string, sum: string) =>
    `if (part == ${i} / 2u % ${PARTS}u) { store(group, z, replica, row4, column4, ${i}, ${sum}); }`;
  const finish = unroll
    ? `${lines(sums / 2, (i) => addParts(`${2 * i}u`, `c${2 * i}`, `c${2 * i + 1}`))}
  ${lines(sums, (i) => storeSum(`${i}u`, `c${i}`))}`
    : `var all = array<vec4f, ${sums}>(${repeatText(sums, (i) => `c${i}`, ', ')});
  for (var i = 0u; i < ${sums}u * p.one; i += 2u) { ${addParts('i', 'all[i]', 'all[i + 1u]')} }
  for (var i = 0u; i < ${sums}u * p.one; i++) { ${storeSum('i', 'all[i]')} }`;

  // Lengths along rows of `left` count elements, which are vec4 or scalars, as do `channels` and `right_w`. `step_y` to `step_at` are 16
  // pixels; `end_x` to `next_image` lead from the end of a row or image to the next. `one` is 1, but compilers do not know that, and unroll
  // no loop with it. `store` gets the i-th vec4 of an invocation's sums.
  return `// One of the three convolutions as a matrix product tiled in workgroup memory. See ${FILE}.
struct Params {
  rows: u32, n: u32, batch: u32, grid_w: u32, grid_h: u32, left_h: u32, left_w: u32, right_w: u32,
  stride_h: u32, stride_w: u32, pad_h: u32, pad_w: u32, dilation_h: u32, dilation_w: u32, kernel_w: u32, taps: u32,
  channels: u32, tap_channels: u32, tap_vec4s: u32, row_vec4s: u32, pixels: u32, steps: u32, slice_length: u32, slices: u32,
  step_y: u32, step_x: u32, step_at: u32, end_x: u32, end_y: u32, next_row: u32, next_image: u32,
  has_bias: u32, epilogue: u32, first_replica: u32, first_of_sums: u32, first_tile: u32,
  one: u32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> left: array<${isLeftVec4 ? 'vec4f' : 'f32'}>;
@group(0) @binding(2) var<storage, read> right: array<${isRightVec4 ? 'vec4f' : 'f32'}>;
@group(0) @binding(3) var<storage, read> bias: array<f32>;
@group(0) @binding(4) var<storage, read_write> c: array<${isOutputVec4 ? 'vec4f' : 'f32'}>;

const FOUR = vec4u(0u, 1u, 2u, 3u);
var<workgroup> tile: array<array<vec4f, ${DEPTH * rowLength}>, 2>;

@compute @workgroup_size(${size})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) local: u32) {
  let p = params;
  let replica = p.first_replica + group.z / p.slices;
  let z = p.first_of_sums * p.slices + group.z;
  let lane4 = local % 4u;
  let lane = local / 4u;
  let part = local / ${partSize}u;
  let row4 = local % ${partSize}u / ${across}u;
  let column4 = local % ${across}u;
  ${setUpStep}
  ${lines(leftLoads, setUpLeft)}
  ${lines(rightLoads, setUpRight)}
  ${setUpStores}
  ${setUpReads}
  ${words(leftLoads, (i) => `var left${i} = vec4f(); var left_ok${i} = vec4<bool>();`)}
  ${words(rightLoads, (i) => `var right${i} = vec4f(); var right_ok${i} = vec4<bool>();`)}
  ${zeros('c')}
  ${levels > 1 ? zeros('s') : ''}
  ${levels > 2 ? zeros('t') : ''}
  var buffer = 0u;
  ${unroll ? loads : ''}
  for (var step = 0u; step < p.steps; step++) {
    ${unroll ? '' : loads}
    ${stores}
    workgroupBarrier();
    ${advance}
    ${unroll ? loads : ''}
    ${multiply}
    ${levels > 1 ? foldEvery(256, 's', 'c') : ''}
    ${levels > 2 ? foldEvery(65536, 't', 's') : ''}
    buffer = 1u - buffer;
  }
  ${levels > 2 ? fold('s', 't') : ''}
  ${levels > 1 ? fold('c', 's') : ''}
  ${finish}
}

fn store(group: vec3u, z: u32, replica: u32, row4: u32, column4: u32, i: u32, sum: vec4f) {
  let p = params;
  let m4 = (p.first_tile + group.x) * ${rowVec4s}u + i / ${sums / 2}u * 8u + row4;
  let in_vec4 = i / ${halves}u % 4u;
  let column = 4u * (group.y * ${columnVec4s}u + i % ${halves}u * ${across}u + column4);
  ${
    isWeightGrad
      ? `let tap = m4 / p.tap_vec4s;
  let channel = 4u * (m4 - tap * p.tap_vec4s) + in_vec4;
  if (channel >= p.tap_channels) { return; }
  let m = tap * p.tap_channels + channel;`
      : 'let m = 4u * m4 + in_vec4;'
  }
  if (m >= p.rows || column >= p.n) { return; }
  let at = (z * p.rows + m) * p.n + column;
  let bias_at = replica * p.n + column;
  ${
    isOutputVec4
      ? `var v = sum;
  if (p.has_bias != 0u) { v += vec4f(${repeatText(4, (j) => `bias[bias_at + ${j}u]`, ', ')}); }
  c[at / 4u] = apply_epilogue4(v, v, p.epilogue);`
      : `for (var j = 0u; j < min(4u, p.n - column); j++) {
    var v = sum[j];
    if (p.has_bias != 0u) { v += bias[bias_at + j]; }
    c[at + j] = apply_epilogue(v, v, p.epilogue);
  }`
  }
}
`;
}

/** A source of each operation. They change when this file changes, so the tuner measures the kernels again. */
export function sampleSources(): string[] {
  const sizes: Omit<TiledSource, 'operation'> = {
    ...{ columns: 64, isLeftVec4: true, isRightVec4: false, isOutputVec4: false },
    ...{ hasStrides: true, levels: 2, unroll: true },
  };
  return ([FORWARD, INPUT_GRAD, WEIGHT_GRAD] as const).map((operation) => tiledCode({ ...sizes, operation }));
}
