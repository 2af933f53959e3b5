// conv2d, stride 1 along rows, for channel counts padded to multiples of four (see pad_channels.wgsl, pack_filter.wgsl):
//   y[n, oy, ox, co] = act(sum_{ky, kx, ci} x[n, oy*sh + ky - ph, ox + kx - pw, ci] * w[ky, kx, ci, co] + bias[co])
// An invocation computes TILE pixels of a row by four output channels. Faster than the reference because
//   - it slides: of the TILE input pixels under a tap, all but one are still in registers from the tap before;
//   - all lanes want the same sixteen weights, so lane i loads row i % 4 of them and broadcasts hand them round: one load
//     instead of four;
//   - everything is loaded four channels at a time.
//   models R, x [R, N, H, W, Ci/4] vec4, w [R, KH, KW, Ci, Co/4] vec4, bias [R, out_c], y [R, N, OH, OW, out_c], out_c <= Co
enable subgroups;

override HAS_BIAS = false;
override RELU = false;
override PADDED = false; // some windows reach outside the image
override TILE = 8u;

struct Params {
  batch: u32, in_h: u32, in_w: u32, in_c4: u32, out_h: u32, out_w: u32, out_c: u32, out_c4: u32,
  kernel_h: u32, kernel_w: u32, stride_h: u32, pad_h: u32, pad_w: u32, tiles: u32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<vec4f>;
@group(0) @binding(2) var<storage, read> w: array<vec4f>;
@group(0) @binding(3) var<storage, read> bias: array<f32>;
@group(0) @binding(4) var<storage, read_write> y: array<f32>;

// Pixel `column` of the row that starts at `row`; zero outside the image.
fn pixel(row: u32, row_inside: bool, column: u32, c: u32) -> vec4f {
  if (PADDED && !(row_inside && column < params.in_w)) { return vec4f(0.0); }
  return x[row + column * params.in_c4 + c];
}

fn store(at: u32, first: u32, value: vec4f) {
  for (var k = 0u; k < 4u; k++) {
    let co = first + k;
    if (co < params.out_c) {
      var v = value[k];
      if (RELU) { v = select(v, 0.0, v <= 0.0); }
      y[at + co] = v;
    }
  }
}

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
  @builtin(subgroup_invocation_id) lane: u32,
) {
  let p = params;
  // Workgroups count through output channels fastest; the lanes of one work on different tiles of the same channels.
  let block = group.y * groups.x + group.x;
  let co4 = block % p.out_c4;
  let tile = block / p.out_c4 * 64u + local;
  let ox = tile % p.tiles * TILE;
  let oy = tile / p.tiles % p.out_h;
  let n = tile / (p.tiles * p.out_h);
  // Lanes past the end compute the last image again, so that the broadcasts see a full subgroup; they store nothing.
  let image = (group.z * p.batch + min(n, p.batch - 1u)) * p.in_h;
  let weights = group.z * p.kernel_h * p.kernel_w * p.in_c4 * 4u;
  let weight_row = lane % 4u;

  var a0 = vec4f(); var a1 = vec4f(); var a2 = vec4f(); var a3 = vec4f();
  var a4 = vec4f(); var a5 = vec4f(); var a6 = vec4f(); var a7 = vec4f();
  for (var ky = 0u; ky < p.kernel_h; ky++) {
    let iy = oy * p.stride_h + ky - p.pad_h; // wraps to a huge number above the image
    let inside = iy < p.in_h;
    let row = (image + select(0u, iy, inside)) * p.in_w * p.in_c4;
    for (var c = 0u; c < p.in_c4; c++) {
      let first = ox - p.pad_w;
      var x0 = pixel(row, inside, first, c);
      var x1 = pixel(row, inside, first + 1u, c);
      var x2 = pixel(row, inside, first + 2u, c);
      var x3 = vec4f(); var x4 = vec4f(); var x5 = vec4f(); var x6 = vec4f(); var x7 = vec4f();
      if (TILE > 4u) { x3 = pixel(row, inside, first + 3u, c); }
      if (TILE > 5u) { x4 = pixel(row, inside, first + 4u, c); }
      if (TILE > 6u) { x5 = pixel(row, inside, first + 5u, c); }
      if (TILE > 7u) { x6 = pixel(row, inside, first + 6u, c); }
      for (var kx = 0u; kx < p.kernel_w; kx++) {
        let next = pixel(row, inside, first + kx + TILE - 1u, c);
        if (TILE == 4u) { x3 = next; }
        if (TILE == 5u) { x4 = next; }
        if (TILE == 6u) { x5 = next; }
        if (TILE == 7u) { x6 = next; }
        if (TILE == 8u) { x7 = next; }
        let tap = (ky * p.kernel_w + kx) * p.in_c4 + c;
        let mine = w[(weights + tap * 4u + weight_row) * p.out_c4 + co4];
        let w0 = subgroupBroadcast(mine, 0u);
        let w1 = subgroupBroadcast(mine, 1u);
        let w2 = subgroupBroadcast(mine, 2u);
        let w3 = subgroupBroadcast(mine, 3u);
        a0 += x0.x * w0 + x0.y * w1 + x0.z * w2 + x0.w * w3;
        a1 += x1.x * w0 + x1.y * w1 + x1.z * w2 + x1.w * w3;
        a2 += x2.x * w0 + x2.y * w1 + x2.z * w2 + x2.w * w3;
        a3 += x3.x * w0 + x3.y * w1 + x3.z * w2 + x3.w * w3;
        if (TILE > 4u) { a4 += x4.x * w0 + x4.y * w1 + x4.z * w2 + x4.w * w3; }
        if (TILE > 5u) { a5 += x5.x * w0 + x5.y * w1 + x5.z * w2 + x5.w * w3; }
        if (TILE > 6u) { a6 += x6.x * w0 + x6.y * w1 + x6.z * w2 + x6.w * w3; }
        if (TILE > 7u) { a7 += x7.x * w0 + x7.y * w1 + x7.z * w2 + x7.w * w3; }
        x0 = x1; x1 = x2; x2 = x3; x3 = x4; x4 = x5; x5 = x6; x6 = x7;
      }
    }
  }
  if (n >= p.batch) { return; }
  let co = co4 * 4u;
  if (HAS_BIAS) {
    var b = vec4f();
    for (var k = 0u; k < 4u; k++) {
      if (co + k < p.out_c) { b[k] = bias[group.z * p.out_c + co + k]; }
    }
    a0 += b; a1 += b; a2 += b; a3 += b; a4 += b; a5 += b; a6 += b; a7 += b;
  }
  let at = ((group.z * p.batch + n) * p.out_h + oy) * p.out_w + ox;
  let left = p.out_w - ox; // pixels of the row from here on
  store(at * p.out_c, co, a0);
  if (left > 1u) { store((at + 1u) * p.out_c, co, a1); }
  if (left > 2u) { store((at + 2u) * p.out_c, co, a2); }
  if (left > 3u) { store((at + 3u) * p.out_c, co, a3); }
  if (TILE > 4u && left > 4u) { store((at + 4u) * p.out_c, co, a4); }
  if (TILE > 5u && left > 5u) { store((at + 5u) * p.out_c, co, a5); }
  if (TILE > 6u && left > 6u) { store((at + 6u) * p.out_c, co, a6); }
  if (TILE > 7u && left > 7u) { store((at + 7u) * p.out_c, co, a7); }
}
