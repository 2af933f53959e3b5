// y = a where the condition is not 0, else b, element by element. It also computes its own gradient, with zeros for one side. Memory-bound.
//   condition (any type), a, b and y [size]
// A condition of floats is read as bits: -0 counts as 0, and NaN does not.
struct Params { size: u32, bits: u32 }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> condition: array<u32>;
@group(0) @binding(2) var<storage, read> a: array<f32>;
@group(0) @binding(3) var<storage, read> b: array<f32>;
@group(0) @binding(4) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32) {
  let stride = groups.y * groups.x * 64u;
  for (var i = (group.y * groups.x + group.x) * 64u + local; i < params.size; i += stride) {
    y[i] = select(b[i], a[i], (condition[i] & params.bits) != 0u);
  }
}
