// What the adapter's memory can do at best through a kernel: y = x, a vec4f an invocation. Memory-bound: 32 bytes each.
@group(0) @binding(0) var<uniform> params: vec4u; // count of vec4f
@group(0) @binding(1) var<storage, read> x: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> y: array<vec4f>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let i = id.y * groups.x * 64u + id.x;
  if (i < params.x) {
    y[i] = x[i];
  }
}
