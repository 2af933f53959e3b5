// A filter with both channel counts padded with zeros to multiples of four; with FLIP also turned by 180 degrees and with
// its channels swapped, which makes the forward kernel compute the input gradient (the full correlation with dy):
//   y[ky, kx, i, o] = w[ky, kx, i, o]        FLIP: y[ky, kx, o, i] = w[KH - 1 - ky, KW - 1 - kx, i, o]
// Memory-bound.   models R, w [R, KH, KW, Ci, Co], y [R, KH, KW, rows, columns / 4] vec4 (rows, columns: padded Ci, Co or swapped)
override FLIP = false;

struct Params { taps: u32, in_c: u32, out_c: u32, rows: u32, columns: u32 }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> w: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32) {
  let p = params;
  let i = (group.y * groups.x + group.x) * 64u + local;
  let size = p.taps * p.rows * p.columns;
  if (i >= size) { return; }
  let column = i % p.columns;
  let row = i / p.columns % p.rows;
  var tap = i / (p.columns * p.rows);
  var ci = row;
  var co = column;
  if (FLIP) {
    tap = p.taps - 1u - tap;
    ci = column;
    co = row;
  }
  var v = 0.0;
  if (ci < p.in_c && co < p.out_c) { v = w[((group.z * p.taps + tap) * p.in_c + ci) * p.out_c + co]; }
  y[group.z * size + i] = v;
}
