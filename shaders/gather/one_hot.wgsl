// y[i, c] = 1 where labels[i] = first + c, else 0; a label from first + C on is not a class and gives a row of NaN. Memory-bound.
//   replicas folded into the labels: labels [size / C], y [size / C, C]
struct Params { size: u32, classes: u32, first: u32 }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> labels: array<u32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32) {
  let p = params;
  let i = (group.y * groups.x + group.x) * 64u + local;
  if (i >= p.size) { return; }
  let row = i / p.classes;
  let label = labels[row]; // negative ones are huge here
  let value = select(0.0, 1.0, label == p.first + i - row * p.classes);
  y[i] = select(value, bitcast<f32>(label | 0x7fc00000u), label >= p.first + p.classes); // not a constant, because WGSL rejects a constant NaN
}
