// The three convolutions as matrix products c[m, n] = sum_k a(m, k) * b(k, n), which differ in the arrays they read:
//   OPERATION 0, forward:         m output pixel, n co, k (ky, kx, ci):   a = x[pixel under the tap, ci], b = w[k, co]
//   OPERATION 1, input gradient:  m input pixel,  n ci, k (ky, kx, co):   a = dy[pixel over the tap, co], b = w[ky, kx, ci, co]
//   OPERATION 2, weight gradient: m (ky, kx, ci), n co, k output pixel:   a = x[pixel under the tap, ci], b = dy[pixel, co]
// with bias and ReLU in the forward's store. A workgroup computes a tile of ROWS by COLUMNS, an invocation 4 x 4 of it, over a
// slice of k; add_slices adds up several slices in order. Compute-bound. For GPUs: faster than the reference because the values of
// both factors for a tile, DEPTH of k at a time, are read once into workgroup memory, neighbors reading neighbors, and each value is
// then multiplied with ROWS or COLUMNS others. Needs no subgroups, and only WebGPU's default limits.
// With LONG an invocation's sums of 256 products are folded into a second level, with LONGER 256 of those into a third (see long-sums.ts).
// Outside the image a is zero, which a NaN or infinity in b makes NaN, whereas the reference omits the product.
//   R replicas: x [R, N, H, W, Ci], w [R, KH, KW, Ci, Co], bias [R, Co], dy [R, N, OH, OW, Co], c [R, m, n], or
//   [some of R, slices, m, n]
override OPERATION = 0u;
override ROWS = 64u;    // 256 invocations of 4 x 4: ROWS * COLUMNS is 4096
override COLUMNS = 64u;
override DEPTH = 16u;   // divides 256
override LONG = false;  // slices of more than 512
override LONGER = false; // and of more than 65536

struct Params {
  batch: u32, in_h: u32, in_w: u32, in_c: u32, out_h: u32, out_w: u32, out_c: u32,
  kernel_h: u32, kernel_w: u32, stride_h: u32, stride_w: u32, pad_h: u32, pad_w: u32, dilation_h: u32, dilation_w: u32,
  m: u32, n: u32, k: u32, slice_length: u32, slices: u32, depth_rounds: u32, has_bias: u32, epilogue: u32,
  first_replica: u32, first_of_sums: u32, // first replica of the dispatch, and its index in the output
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> left: array<f32>;  // x, dy, x
@group(0) @binding(2) var<storage, read> right: array<f32>; // w, w, dy
@group(0) @binding(3) var<storage, read> bias: array<f32>;
@group(0) @binding(4) var<storage, read_write> c: array<f32>;

// vec4 along m and n. A row of a has one more vec4, so that invocations that write a column use different banks.
var<workgroup> a_tile: array<vec4f, DEPTH * (ROWS / 4u + 1u)>;
var<workgroup> b_tile: array<vec4f, DEPTH * (COLUMNS / 4u)>;

struct Pixel { image: u32, y: u32, x: u32 }

fn pixel(i: u32, height: u32, width: u32) -> Pixel {
  let row = i / width;
  let image = row / height;
  return Pixel(image, row - image * height, i - row * width);
}

struct Tap { y: u32, x: u32, channel: u32 }

fn tap(i: u32, channels: u32) -> Tap {
  let index = i / channels;
  let y = index / params.kernel_w;
  return Tap(y, index - y * params.kernel_w, i - index * channels);
}

// x under a tap of an output pixel; zero outside.
fn x_under(replica: u32, at: Pixel, t: Tap) -> f32 {
  let p = params;
  let iy = at.y * p.stride_h + t.y * p.dilation_h - p.pad_h; // wraps to a huge number above the image
  let ix = at.x * p.stride_w + t.x * p.dilation_w - p.pad_w;
  if (iy >= p.in_h || ix >= p.in_w) { return 0.0; }
  return left[(((replica * p.batch + at.image) * p.in_h + iy) * p.in_w + ix) * p.in_c + t.channel];
}

// dy of the output pixel whose window has the input pixel under a tap; zero if there is none.
fn dy_over(replica: u32, at: Pixel, t: Tap) -> f32 {
  let p = params;
  let row = at.y + p.pad_h - t.y * p.dilation_h; // oy * stride; wraps to a huge number when negative
  let column = at.x + p.pad_w - t.x * p.dilation_w;
  // Before the division: some drivers divide such numbers wrongly.
  if (row >= p.out_h * p.stride_h || column >= p.out_w * p.stride_w) { return 0.0; }
  let oy = row / p.stride_h;
  let ox = column / p.stride_w;
  if (oy * p.stride_h != row || ox * p.stride_w != column) { return 0.0; }
  return left[(((replica * p.batch + at.image) * p.out_h + oy) * p.out_w + ox) * p.out_c + t.channel];
}

fn a(replica: u32, m: u32, k: u32, last: u32) -> f32 {
  if (m >= params.m || k >= last) { return 0.0; }
  if (OPERATION == 0u) { return x_under(replica, pixel(m, params.out_h, params.out_w), tap(k, params.in_c)); }
  if (OPERATION == 1u) { return dy_over(replica, pixel(m, params.in_h, params.in_w), tap(k, params.out_c)); }
  return x_under(replica, pixel(k, params.out_h, params.out_w), tap(m, params.in_c));
}

fn b(replica: u32, k: u32, n: u32, last: u32) -> f32 {
  if (n >= params.n || k >= last) { return 0.0; }
  if (OPERATION == 1u) {
    let tap_index = k / params.out_c;
    let taps = params.kernel_h * params.kernel_w;
    return right[((replica * taps + tap_index) * params.in_c + n) * params.out_c + k - tap_index * params.out_c];
  }
  return right[(replica * params.k + k) * params.n + n];
}

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) local: u32) {
  let p = params;
  let first_m = group.x * ROWS;
  let first_n = group.y * COLUMNS;
  let replica = p.first_replica + group.z / p.slices;
  let slice = group.z % p.slices;
  let z = p.first_of_sums * p.slices + group.z;
  let begin = slice * p.slice_length;
  let last = min((slice + 1u) * p.slice_length, p.k);
  let m = local / (COLUMNS / 4u) * 4u; // in the tile
  let n = local % (COLUMNS / 4u) * 4u;

  var c0 = vec4f(); var c1 = vec4f(); var c2 = vec4f(); var c3 = vec4f();
  var s0 = vec4f(); var s1 = vec4f(); var s2 = vec4f(); var s3 = vec4f();
  var t0 = vec4f(); var t1 = vec4f(); var t2 = vec4f(); var t3 = vec4f();
  for (var first_k = begin; first_k < last; first_k += DEPTH) {
    // Neighbors read along the channels of x or dy, which are along k except for the weight gradient.
    for (var i = local; i < DEPTH * (ROWS / 4u); i += 256u) {
      let four = select(i / DEPTH, i % (ROWS / 4u), OPERATION == 2u);
      let at_k = select(i % DEPTH, i / (ROWS / 4u), OPERATION == 2u);
      let from_m = first_m + 4u * four;
      let k = first_k + at_k;
      a_tile[at_k * (ROWS / 4u + 1u) + four] = vec4f(
        a(replica, from_m, k, last), a(replica, from_m + 1u, k, last),
        a(replica, from_m + 2u, k, last), a(replica, from_m + 3u, k, last),
      );
    }
    for (var i = local; i < DEPTH * (COLUMNS / 4u); i += 256u) {
      let four = select(i % (COLUMNS / 4u), i / DEPTH, OPERATION == 1u);
      let at_k = select(i / (COLUMNS / 4u), i % DEPTH, OPERATION == 1u);
      let from_n = first_n + 4u * four;
      let k = first_k + at_k;
      b_tile[at_k * (COLUMNS / 4u) + four] = vec4f(
        b(replica, k, from_n, last), b(replica, k, from_n + 1u, last),
        b(replica, k, from_n + 2u, last), b(replica, k, from_n + 3u, last),
      );
    }
    workgroupBarrier();
    // Four at once, in rounds whose number the compiler does not know: fully unrolled, it would compile for seconds on a CPU.
    for (var k = 0u; k < 4u * p.depth_rounds; k += 4u) {
      for (var i = 0u; i < 4u; i++) {
        let column = a_tile[(k + i) * (ROWS / 4u + 1u) + m / 4u];
        let row = b_tile[(k + i) * (COLUMNS / 4u) + n / 4u];
        c0 += column.x * row;
        c1 += column.y * row;
        c2 += column.z * row;
        c3 += column.w * row;
      }
    }
    workgroupBarrier();
    let done = first_k + DEPTH - begin;
    if (LONG && done % 256u == 0u) {
      s0 += c0; s1 += c1; s2 += c2; s3 += c3;
      c0 = vec4f(); c1 = vec4f(); c2 = vec4f(); c3 = vec4f();
      if (LONGER && done % 65536u == 0u) {
        t0 += s0; t1 += s1; t2 += s2; t3 += s3;
        s0 = vec4f(); s1 = vec4f(); s2 = vec4f(); s3 = vec4f();
      }
    }
  }
  if (LONGER) { s0 += t0; s1 += t1; s2 += t2; s3 += t3; }
  if (LONG) { c0 += s0; c1 += s1; c2 += s2; c3 += s3; }
  store(z, replica, first_m + m, first_n + n, c0);
  store(z, replica, first_m + m + 1u, first_n + n, c1);
  store(z, replica, first_m + m + 2u, first_n + n, c2);
  store(z, replica, first_m + m + 3u, first_n + n, c3);
}

fn store(z: u32, replica: u32, m: u32, n: u32, value: vec4f) {
  let p = params;
  if (m >= p.m) { return; }
  for (var j = 0u; j < 4u; j++) {
    if (n + j >= p.n) { return; }
    var v = value[j];
    if (p.has_bias != 0u) { v += bias[replica * p.n + n + j]; }
    v = apply_epilogue(v, v, p.epilogue);
    c[(z * p.m + m) * p.n + n + j] = v;
  }
}
