// Adds the gradient of the penalties to the gradients of a range of the flat buffers, in place, four elements an invocation.
// Optimizer kernels add it themselves, but clipping needs the sum first. See rates_shared.wgsl. Memory-bound.
//   weight, gradient [size]
struct Params { size: u32, penalties: u32, first: u32, blocks: u32 }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(3) var<storage, read> weight: array<vec4f>;
@group(0) @binding(4) var<storage, read_write> gradient: array<vec4f>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32) {
  _ = step_size_of(0u); // otherwise binding 1, which the optimizer kernels use, would be removed as unused
  let stride = groups.y * groups.x * 64u;
  for (var i = (group.y * groups.x + group.x) * 64u + local; i * 4u < params.size; i += stride) {
    gradient[i] = with_penalties(gradient[i], weight[i], i);
  }
}
