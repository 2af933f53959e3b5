// Dropout: y[i] = 0 where the random bits of element i are below the threshold, x[i] * scale elsewhere. Its own gradient:
// given dy for x, the same seed, layer and step draw the same bits again, so that no mask is kept. Nothing is drawn where the
// threshold is 0.
// The bits are word i % 4 of philox(counter (i / 4, layer, purpose, step), key = seed + model): model r draws what a model alone
// draws with the seed that is larger by r. Four elements an invocation. Memory-bound on a GPU, compute-bound where integers are slow.
//   models R, x and y [R, size]
struct Params { size: u32, key_low: u32, key_high: u32, layer: u32, purpose: u32, threshold: u32, scale: f32 }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<uniform> state: StepState;
@group(0) @binding(2) var<storage, read> x: array<f32>;
@group(0) @binding(3) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32) {
  let p = params;
  let model = group.z;
  let base = model * p.size;
  let key_low = p.key_low + model;
  let key = vec2u(key_low, p.key_high + select(0u, 1u, key_low < model)); // 64 bits: the sum may carry
  let stride = groups.y * groups.x * 64u;
  for (var quad = (group.y * groups.x + group.x) * 64u + local; quad * 4u < p.size; quad += stride) {
    var bits = vec4u();
    if (p.threshold != 0u) { bits = philox(vec4u(quad, p.layer, p.purpose, state.step), key); }
    let first = quad * 4u;
    for (var k = 0u; k < min(4u, p.size - first); k++) {
      // Chosen, not multiplied by 0: a dropped NaN or infinity is 0.
      y[base + first + k] = select(x[base + first + k] * p.scale, 0.0, bits[k] < p.threshold);
    }
  }
}
