// A filter with both channel axes in groups of four places, of which each group fills its width (see pad_channels.wgsl); the
// rest is zero. With FLIP it is also turned by 180 degrees and its channels are swapped, which makes the forward kernel
// compute the input gradient, the full correlation with dy:
//   y[ky, kx, i, o] = w[ky, kx, i, o]        FLIP: y[ky, kx, o, i] = w[KH - 1 - ky, KW - 1 - kx, i, o]
// Memory-bound.   models R, w [R, KH, KW, Ci, Co], y [R, KH, KW, row groups * 4, column groups] vec4
override FLIP = false;

struct Params { taps: u32, in_c: u32, out_c: u32, rows: u32, columns: u32, row_width: u32, column_width: u32 }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> w: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;

// The channel at a place, or one that does not exist where the place is idle.
fn channel(place: u32, width: u32) -> u32 {
  return select(0xffffffffu, place / 4u * width + place % 4u, place % 4u < width);
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32) {
  let p = params;
  let i = (group.y * groups.x + group.x) * 64u + local;
  let size = p.taps * p.rows * p.columns;
  if (i >= size) { return; }
  let column = channel(i % p.columns, p.column_width);
  let row = channel(i / p.columns % p.rows, p.row_width);
  let place = i / (p.columns * p.rows);
  let tap = select(place, p.taps - 1u - place, FLIP);
  let ci = select(row, column, FLIP);
  let co = select(column, row, FLIP);
  var v = 0.0;
  if (ci < p.in_c && co < p.out_c) { v = w[((group.z * p.taps + tap) * p.in_c + ci) * p.out_c + co]; }
  y[group.z * size + i] = v;
}
