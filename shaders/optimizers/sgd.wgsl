// One step of plain gradient descent over all parameters in one flat buffer, four an invocation:  w -= rate * g
// Rates and penalties: see rates_shared.wgsl.
// Memory-bound.
struct Params { size: u32, penalties: u32, first: u32, blocks: u32 }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(3) var<storage, read> gradient: array<vec4f>;
@group(0) @binding(4) var<storage, read_write> weight: array<vec4f>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32) {
  if (keeps_weights()) { return; }
  let stride = groups.y * groups.x * 64u;
  for (var i = (group.y * groups.x + group.x) * 64u + local; i * 4u < params.size; i += stride) {
    let old = weight[i];
    let g = with_penalties(gradient[i], old, i);
    weight[i] = old - step_size_of(i) * g;
  }
}
