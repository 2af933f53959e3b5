// conv2d, stride 1 along rows, with channels in groups of up to four, a vec4 each (see pad_channels.wgsl, pack_filter.wgsl):
//   y[n, oy, ox, co] = act(sum_{ky, kx, ci} x[n, oy*sh + ky - ph, ox + kx - pw, ci] * w[ky, kx, ci, co] + bias[co])
// An invocation computes TILE pixels of a row by one group of output channels, or two (PAIR). Faster than the reference because
//   - it slides: of the TILE input pixels under a tap, all but one are still in registers from the previous tap;
//   - all lanes need the same weights, so lane i loads row i % 4 of them (of the second group, if i / 4 is odd) and broadcasts it:
//     one load instead of four or eight;
//   - all values are loaded by groups of channels, and six channels are two groups of three, without idle components.
// With LONG the sums are folded into a second level after 256 steps or more (see long-sums.ts).
//   R replicas: x [R, N, H, W, in groups] vec4, w [those of the dispatch, KH, KW, in groups * 4, out groups] vec4,
//   bias [R, Co], y [R, N, OH, OW, Co]
enable subgroups;

override PADDED = false; // some windows reach outside the image
override TILE = 8u;
override PAIR = false;
override KERNEL_W = 3u;
override IN_WIDTH = 4u;  // channels in a group of x
override OUT_WIDTH = 4u; // and of y
override LONG = false;   // more than 512 steps

struct Params {
  batch: u32, in_h: u32, in_w: u32, in_groups: u32, out_h: u32, out_w: u32, out_c: u32, out_groups: u32,
  kernel_h: u32, kernel_w: u32, stride_h: u32, pad_h: u32, pad_w: u32, tiles: u32,
  has_bias: u32, epilogue: u32, // not overrides, because each combination would be compiled separately
  first_of_x: u32, first_of_y: u32, // index of the dispatch's first replica in x, which may hold only its replicas, and in y and bias
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<vec4f>;
@group(0) @binding(2) var<storage, read> w: array<vec4f>;
@group(0) @binding(3) var<storage, read> bias: array<f32>;
@group(0) @binding(4) var<storage, read_write> y: array<f32>;

// Pixel `column` of the row that starts at `row`; zero outside the image.
fn pixel(row: u32, row_inside: bool, column: u32, c: u32) -> vec4f {
  if (PADDED && !(row_inside && column < params.in_w)) { return vec4f(0.0); }
  return x[row + column * params.in_groups + c];
}

fn store_one(at: u32, value: f32) {
  y[at] = apply_epilogue(value, value, params.epilogue);
}

// Stores a group of channels from `co` on. The compiler drops the components that are not stored.
fn store(at: u32, co: u32, value: vec4f) {
  store_one(at + co, value.x);
  if (OUT_WIDTH > 1u && co + 1u < params.out_c) { store_one(at + co + 1u, value.y); }
  if (OUT_WIDTH > 2u && co + 2u < params.out_c) { store_one(at + co + 2u, value.z); }
  if (OUT_WIDTH > 3u && co + 3u < params.out_c) { store_one(at + co + 3u, value.w); }
}

// Stores the group of channels `co` of the tile's pixels.
fn store_row(
  at: u32, left: u32, replica: u32, co: u32,
  a0: vec4f, a1: vec4f, a2: vec4f, a3: vec4f, a4: vec4f, a5: vec4f, a6: vec4f, a7: vec4f,
) {
  var b = vec4f();
  if (params.has_bias != 0u) {
    let first = replica * params.out_c + co;
    let last = replica * params.out_c + params.out_c - 1u; // nothing is stored past it, so any value will do
    b = vec4f(bias[first], bias[min(first + 1u, last)], bias[min(first + 2u, last)], bias[min(first + 3u, last)]);
  }
  let c = params.out_c;
  store(at * c, co, a0 + b);
  if (left > 1u) { store((at + 1u) * c, co, a1 + b); }
  if (left > 2u) { store((at + 2u) * c, co, a2 + b); }
  if (left > 3u) { store((at + 3u) * c, co, a3 + b); }
  if (TILE > 4u && left > 4u) { store((at + 4u) * c, co, a4 + b); }
  if (TILE > 5u && left > 5u) { store((at + 5u) * c, co, a5 + b); }
  if (TILE > 6u && left > 6u) { store((at + 6u) * c, co, a6 + b); }
  if (TILE > 7u && left > 7u) { store((at + 7u) * c, co, a7 + b); }
}

// The products of a pixel's group of input channels: x times the group's rows of weights.
fn product(x: vec4f, w0: vec4f, w1: vec4f, w2: vec4f, w3: vec4f) -> vec4f {
  var sum = x.x * w0;
  if (IN_WIDTH > 1u) { sum += x.y * w1; }
  if (IN_WIDTH > 2u) { sum += x.z * w2; }
  if (IN_WIDTH > 3u) { sum += x.w * w3; }
  return sum;
}

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
  @builtin(subgroup_invocation_id) lane: u32,
) {
  let p = params;
  // Output channels change fastest over workgroups; the lanes of a workgroup compute different tiles of the same channels.
  let block = group.y * groups.x + group.x;
  let step = select(1u, 2u, PAIR);
  let co_group = block % (p.out_groups / step) * step;
  let tile = block / (p.out_groups / step) * 64u + local;
  let ox = tile % p.tiles * TILE;
  let oy = tile / p.tiles % p.out_h;
  let n = tile / (p.tiles * p.out_h);
  // Lanes past the end compute the last image again, because all lanes take part in broadcasts; they store nothing.
  let image = ((p.first_of_x + group.z) * p.batch + min(n, p.batch - 1u)) * p.in_h;
  let weights = group.z * p.kernel_h * p.kernel_w * p.in_groups * 4u;
  let weight_row = lane % 4u;
  let weight_group = co_group + select(0u, lane / 4u % 2u, PAIR);

  var a0 = vec4f(); var a1 = vec4f(); var a2 = vec4f(); var a3 = vec4f();
  var a4 = vec4f(); var a5 = vec4f(); var a6 = vec4f(); var a7 = vec4f();
  var b0 = vec4f(); var b1 = vec4f(); var b2 = vec4f(); var b3 = vec4f();
  var b4 = vec4f(); var b5 = vec4f(); var b6 = vec4f(); var b7 = vec4f();
  var fa0 = vec4f(); var fa1 = vec4f(); var fa2 = vec4f(); var fa3 = vec4f();
  var fa4 = vec4f(); var fa5 = vec4f(); var fa6 = vec4f(); var fa7 = vec4f();
  var fb0 = vec4f(); var fb1 = vec4f(); var fb2 = vec4f(); var fb3 = vec4f();
  var fb4 = vec4f(); var fb5 = vec4f(); var fb6 = vec4f(); var fb7 = vec4f();
  var steps = 0u; // since the sums were folded
  for (var ky = 0u; ky < p.kernel_h; ky++) {
    let iy = oy * p.stride_h + ky - p.pad_h; // wraps to a huge number above the image
    let inside = iy < p.in_h;
    let row = (image + select(0u, iy, inside)) * p.in_w * p.in_groups;
    for (var c = 0u; c < p.in_groups; c++) {
      let first = ox - p.pad_w;
      var x0 = pixel(row, inside, first, c);
      var x1 = pixel(row, inside, first + 1u, c);
      var x2 = pixel(row, inside, first + 2u, c);
      var x3 = vec4f(); var x4 = vec4f(); var x5 = vec4f(); var x6 = vec4f(); var x7 = vec4f();
      if (TILE > 4u) { x3 = pixel(row, inside, first + 3u, c); }
      if (TILE > 5u) { x4 = pixel(row, inside, first + 4u, c); }
      if (TILE > 6u) { x5 = pixel(row, inside, first + 5u, c); }
      if (TILE > 7u) { x6 = pixel(row, inside, first + 6u, c); }
      for (var kx = 0u; kx < KERNEL_W; kx++) {
        let next = pixel(row, inside, first + kx + TILE - 1u, c);
        if (TILE == 4u) { x3 = next; }
        if (TILE == 5u) { x4 = next; }
        if (TILE == 6u) { x5 = next; }
        if (TILE == 7u) { x6 = next; }
        if (TILE == 8u) { x7 = next; }
        let tap = (ky * p.kernel_w + kx) * p.in_groups + c;
        let weights_of_lane = w[(weights + tap * 4u + weight_row) * p.out_groups + weight_group];
        let w0 = subgroupBroadcast(weights_of_lane, 0u);
        let w1 = subgroupBroadcast(weights_of_lane, 1u);
        let w2 = subgroupBroadcast(weights_of_lane, 2u);
        let w3 = subgroupBroadcast(weights_of_lane, 3u);
        a0 += product(x0, w0, w1, w2, w3);
        a1 += product(x1, w0, w1, w2, w3);
        a2 += product(x2, w0, w1, w2, w3);
        a3 += product(x3, w0, w1, w2, w3);
        if (TILE > 4u) { a4 += product(x4, w0, w1, w2, w3); }
        if (TILE > 5u) { a5 += product(x5, w0, w1, w2, w3); }
        if (TILE > 6u) { a6 += product(x6, w0, w1, w2, w3); }
        if (TILE > 7u) { a7 += product(x7, w0, w1, w2, w3); }
        if (PAIR) {
          let v0 = subgroupBroadcast(weights_of_lane, 4u);
          let v1 = subgroupBroadcast(weights_of_lane, 5u);
          let v2 = subgroupBroadcast(weights_of_lane, 6u);
          let v3 = subgroupBroadcast(weights_of_lane, 7u);
          b0 += product(x0, v0, v1, v2, v3);
          b1 += product(x1, v0, v1, v2, v3);
          b2 += product(x2, v0, v1, v2, v3);
          b3 += product(x3, v0, v1, v2, v3);
          if (TILE > 4u) { b4 += product(x4, v0, v1, v2, v3); }
          if (TILE > 5u) { b5 += product(x5, v0, v1, v2, v3); }
          if (TILE > 6u) { b6 += product(x6, v0, v1, v2, v3); }
          if (TILE > 7u) { b7 += product(x7, v0, v1, v2, v3); }
        }
        x0 = x1; x1 = x2; x2 = x3; x3 = x4; x4 = x5; x5 = x6; x6 = x7;
      }
      if (LONG) {
        steps += KERNEL_W;
        if (steps >= 256u) {
          steps = 0u;
          fa0 += a0; fa1 += a1; fa2 += a2; fa3 += a3; fa4 += a4; fa5 += a5; fa6 += a6; fa7 += a7;
          fb0 += b0; fb1 += b1; fb2 += b2; fb3 += b3; fb4 += b4; fb5 += b5; fb6 += b6; fb7 += b7;
          a0 = vec4f(); a1 = vec4f(); a2 = vec4f(); a3 = vec4f(); a4 = vec4f(); a5 = vec4f(); a6 = vec4f(); a7 = vec4f();
          b0 = vec4f(); b1 = vec4f(); b2 = vec4f(); b3 = vec4f(); b4 = vec4f(); b5 = vec4f(); b6 = vec4f(); b7 = vec4f();
        }
      }
    }
  }
  if (LONG) {
    a0 += fa0; a1 += fa1; a2 += fa2; a3 += fa3; a4 += fa4; a5 += fa5; a6 += fa6; a7 += fa7;
    b0 += fb0; b1 += fb1; b2 += fb2; b3 += fb3; b4 += fb4; b5 += fb5; b6 += fb6; b7 += fb7;
  }
  if (n >= p.batch) { return; }
  let replica = p.first_of_y + group.z;
  let pixel_at = ((replica * p.batch + n) * p.out_h + oy) * p.out_w + ox;
  let left = p.out_w - ox; // pixels of the row from here on
  store_row(pixel_at, left, replica, co_group * OUT_WIDTH, a0, a1, a2, a3, a4, a5, a6, a7);
  if (PAIR) { store_row(pixel_at, left, replica, (co_group + 1u) * OUT_WIDTH, b0, b1, b2, b3, b4, b5, b6, b7); }
}
