// Adds the gradient of the penalties to the gradients of a range of the flat buffers, in place, four elements an invocation;
// optimisers do so themselves, but clipping wants the sum first. See penalised.wgsl. Memory-bound.
//   weight, gradient [size], coefficients [blocks of the whole buffer] (l1, l2); the range begins with block `first`
struct Params { size: u32, first: u32 }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> coefficients: array<vec2f>;
@group(0) @binding(2) var<storage, read> weight: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> gradient: array<vec4f>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32) {
  let stride = groups.y * groups.x * 64u;
  for (var i = (group.y * groups.x + group.x) * 64u + local; i * 4u < params.size; i += stride) {
    gradient[i] = penalised(gradient[i], weight[i], coefficients[params.first + i / 16u]);
  }
}
