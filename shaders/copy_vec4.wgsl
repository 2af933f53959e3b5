// y[i] = x[i] for n vec4, as fast as memory allows: the ceiling that the GB/s of other kernels are compared with.
// Grid: grid-stride loop, one vec4 an iteration, neighbors load neighbors. Memory-bound.
@group(0) @binding(0) var<uniform> n: vec4u;
@group(0) @binding(1) var<storage, read> x: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> y: array<vec4f>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let stride = groups.x * 64u;
  for (var i = id.x; i < n.x; i += stride) { y[i] = x[i]; }
}
