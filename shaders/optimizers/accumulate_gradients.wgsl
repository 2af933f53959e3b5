// Gradient accumulation, four elements an invocation: adds a step's gradients to the sum of the steps since the last update, and
// replaces them by the mean over all `steps` of the sum. The optimizer's kernel uses the mean only in the last of these steps.
//   sum = g in the first step, sum + g in the others;  g = sum / steps
// Memory-bound.
struct Params { size: u32, steps: f32 }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<uniform> state: StepState;
@group(0) @binding(2) var<storage, read_write> gradient: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> sum: array<vec4f>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32) {
  let stride = groups.y * groups.x * 64u;
  for (var i = (group.y * groups.x + group.x) * 64u + local; i * 4u < params.size; i += stride) {
    var total = gradient[i];
    if (state.begins_sum == 0u) { total += sum[i]; }
    sum[i] = total;
    gradient[i] = total / params.steps;
  }
}
