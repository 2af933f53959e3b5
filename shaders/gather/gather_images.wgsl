// A batch from images stored as bytes: x[r, b, i] = scale * images[order[r, batch_start + b], i] + offset, a workgroup
// an image. Images may be split over several buffers if one would exceed the adapter's binding limit: each dispatch copies
// the images first .. first + count - 1. Memory-bound.
// It also copies the label of each image: y[r, b] = labels[order[r, batch_start + b]].
//   images [count, stride] words of four bytes, labels [total], order [R, total], y [R, batch], x [R, batch, size]
struct Params { size: u32, stride: u32, batch: u32, total: u32, first: u32, count: u32, scale: f32, offset: f32 }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<uniform> state: StepState;
@group(0) @binding(2) var<storage, read> images: array<u32>;
@group(0) @binding(3) var<storage, read> order: array<u32>;
@group(0) @binding(4) var<storage, read> labels: array<u32>;
@group(0) @binding(5) var<storage, read_write> x: array<f32>;
@group(0) @binding(6) var<storage, read_write> y: array<u32>;

// A workgroup copies an image at a time, so no invocation divides, and fewer invocations start.
@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32) {
  let p = params;
  for (var b = group.x; b < p.batch; b += groups.x) {
    let sample = order[group.z * p.total + state.batch_start + b];
    let image = sample - p.first;
    if (image >= p.count) { continue; } // in another buffer (an image before `first` wraps to a huge number)
    if (local == 0u) { y[group.z * p.batch + b] = labels[sample]; }
    for (var word_at = local; word_at < p.stride; word_at += 64u) {
      let bytes = (vec4u(images[image * p.stride + word_at]) >> vec4u(0u, 8u, 16u, 24u)) & vec4u(255u);
      let values = vec4f(bytes) * p.scale + p.offset;
      let at = (group.z * p.batch + b) * p.size + word_at * 4u;
      for (var k = 0u; k < 4u; k++) {
        if (word_at * 4u + k < p.size) { x[at + k] = values[k]; }
      }
    }
  }
}
