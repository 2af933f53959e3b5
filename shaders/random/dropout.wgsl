// Dropout: y[i] = 0 where the random bits of element i are below the threshold, x[i] * scale elsewhere. Its own gradient:
// given dy for x, the same seed, layer and step draw the same bits again, so no mask is stored. Nothing is drawn if the
// threshold is 0.
// The bits are word i % 4 of philox(counter (i / 4, layer, purpose, step), key = seed): each replica draws what a single replica draws
// with its seed, see dropout_shared.wgsl. Four elements an invocation. Memory-bound on a GPU, compute-bound if integers are slow.
//   R replicas: x and y [R, size]
struct Params { size: u32, layer: u32, purpose: u32, key_low: u32, key_high: u32, threshold: u32, scale: f32 }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<uniform> state: StepState;
@group(0) @binding(2) var<storage, read> x: array<f32>;
@group(0) @binding(3) var<storage, read_write> y: array<f32>;

// The draw of a replica: its seed, the threshold of the bits, and the factor on the kept elements.
struct Draw { key: vec2u, threshold: u32, scale: f32 }

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32) {
  let p = params;
  let replica = group.z;
  let base = replica * p.size;
  let draw = draw_of(replica);
  let stride = groups.y * groups.x * 64u;
  for (var vec4_index = (group.y * groups.x + group.x) * 64u + local; vec4_index * 4u < p.size; vec4_index += stride) {
    var bits = vec4u();
    if (draw.threshold != 0u) { bits = philox(vec4u(vec4_index, p.layer, p.purpose, state.step), draw.key); }
    let first = vec4_index * 4u;
    for (var k = 0u; k < min(4u, p.size - first); k++) {
      // Selected, not multiplied by 0 or 1: a dropped NaN or infinity is 0, and at a rate of 0 y has the bits of x, subnormal or not.
      let old = x[base + first + k];
      let kept = select(old * draw.scale, old, draw.scale == 1.0);
      y[base + first + k] = select(kept, 0.0, bits[k] < draw.threshold);
    }
  }
}
