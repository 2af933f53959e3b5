// Clips each element in place:  g = min(max(g, -limit), limit);  NaN stays NaN. Memory-bound.
struct Params { size: u32, limit: f32 }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> gradient: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32) {
  let stride = groups.y * groups.x * 64u;
  for (var i = (group.y * groups.x + group.x) * 64u + local; i < params.size; i += stride) {
    let g = gradient[i];
    if (is_nan(g)) { continue; }
    if (g > params.limit) { gradient[i] = params.limit; }
    if (g < -params.limit) { gradient[i] = -params.limit; }
  }
}
