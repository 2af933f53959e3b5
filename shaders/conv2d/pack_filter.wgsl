// Copies a filter into padded channel axes: groups of four elements, of which the first `width` hold channels and the rest is zero (see
// pad_channels.wgsl). With FLIP the filter is also rotated by 180 degrees and its channel axes are swapped, so that the forward kernel
// computes the input gradient, the full correlation with dy:
//   y[ky, kx, i, o] = w[ky, kx, i, o]        FLIP: y[ky, kx, o, i] = w[KH - 1 - ky, KW - 1 - kx, i, o]
// An invocation copies up to four columns. Memory-bound.
//   R replicas: w [R, KH, KW, Ci, Co], y [some of R, KH, KW, row groups * 4, column groups] vec4
override FLIP = false;

struct Params { taps: u32, in_c: u32, out_c: u32, rows: u32, columns: u32, row_width: u32, column_width: u32, first_replica: u32 } // of w
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> w: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;

const FOUR = vec4u(0u, 1u, 2u, 3u);

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32) {
  let p = params;
  let i = (group.y * groups.x + group.x) * 64u + local;
  let column_vec4s = (p.columns + 3u) / 4u;
  if (i >= p.taps * p.rows * column_vec4s) { return; }
  let line = i / column_vec4s;
  let group_of_columns = i - line * column_vec4s;
  let tap_index = line / p.rows;
  let padded_row = line - tap_index * p.rows;
  // Channels of the columns and of the row. Elements past a group's width have none.
  let columns = group_of_columns * p.column_width + FOUR;
  let row = padded_row / 4u * p.row_width + padded_row % 4u;
  let tap = select(tap_index, p.taps - 1u - tap_index, FLIP) + (p.first_replica + group.z) * p.taps;
  let has_channel = (FOUR < vec4u(p.column_width)) & (columns < vec4u(select(p.out_c, p.in_c, FLIP)))
    & vec4<bool>(padded_row % 4u < p.row_width && row < select(p.in_c, p.out_c, FLIP));
  let at = select((tap * p.in_c + row) * p.out_c + columns, (tap * p.in_c + columns) * p.out_c + row, vec4<bool>(FLIP));
  let k = select(vec4u(), at, has_channel);
  let values = select(vec4f(), vec4f(w[k.x], w[k.y], w[k.z], w[k.w]), has_channel);
  let to = (group.z * p.taps * p.rows + line) * p.columns + group_of_columns * 4u;
  for (var j = 0u; j < min(4u, p.columns - group_of_columns * 4u); j++) { y[to + j] = values[j]; }
}
