// y[o, j, c] = x[o, indices[j], c], and `fill` where the index is no row of x. Values are copied as bits. Memory-bound.
//   R replicas: x [R, outer, rows, C], indices [R, count], y [R, outer, count, C]; size is outer * count * C
struct Params { size: u32, x_size: u32, rows: u32, count: u32, channels: u32, fill: u32 }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<u32>;
@group(0) @binding(2) var<storage, read> indices: array<u32>;
@group(0) @binding(3) var<storage, read_write> y: array<u32>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32) {
  let p = params;
  let i = (group.y * groups.x + group.x) * 64u + local;
  if (i >= p.size) { return; }
  let line = i / p.channels;
  let c = i - line * p.channels;
  let o = line / p.count;
  let row = indices[group.z * p.count + line - o * p.count]; // negative ones are huge here
  var value = p.fill;
  if (row < p.rows) { value = x[group.z * p.x_size + (o * p.rows + row) * p.channels + c]; }
  y[group.z * p.size + i] = value;
}
