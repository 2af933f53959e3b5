// y[i] = x[i] for n vec4: as fast as memory can be read and written, the ceiling that other kernels' GB/s are held against.
// A vec4 at a time, neighbours side by side, in strides of all invocations until the end. Memory-bound.
@group(0) @binding(0) var<uniform> n: vec4u;
@group(0) @binding(1) var<storage, read> x: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> y: array<vec4f>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let stride = groups.x * 64u;
  for (var i = id.x; i < n.x; i += stride) { y[i] = x[i]; }
}
