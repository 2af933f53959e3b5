// One part of a concatenation: y[o, offset + k] = x[o, k]. Values of any type are copied as bits. Memory-bound.
//   replicas folded into outer: x [outer, part], y [outer, pitch]; size is outer * part
struct Params { size: u32, part: u32, pitch: u32, offset: u32 }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<u32>;
@group(0) @binding(2) var<storage, read_write> y: array<u32>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32) {
  let p = params;
  let i = (group.y * groups.x + group.x) * 64u + local;
  if (i >= p.size) { return; }
  let o = i / p.part;
  y[o * p.pitch + p.offset + (i - o * p.part)] = x[i];
}
