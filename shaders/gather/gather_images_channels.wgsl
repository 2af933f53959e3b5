// A batch from images stored as bytes, with a scale and an offset for each channel:
//   x[r, b, i] = scale[i mod C] * images[order[r, batch_start + b], i] + offset[i mod C]
// The table holds scales and offsets for the bytes of each word; after `period` words, the channels repeat.
// Images may be split over several buffers if one would exceed the adapter's binding limit: each dispatch copies the images
// first .. first + count - 1. Memory-bound.
// It also copies the label of each image: y[r, b] = labels[order[r, batch_start + b]].
//   images [count, stride] words of four bytes, labels [total], order [R, total], table [period, 2] (scales, offsets),
//   x [R, batch, size], y [R, batch]
struct Params { size: u32, stride: u32, batch: u32, total: u32, first: u32, count: u32, period: u32 }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<uniform> state: StepState;
@group(0) @binding(2) var<storage, read> images: array<u32>;
@group(0) @binding(3) var<storage, read> order: array<u32>;
@group(0) @binding(4) var<storage, read> labels: array<u32>;
@group(0) @binding(5) var<storage, read_write> x: array<f32>;
@group(0) @binding(6) var<storage, read_write> y: array<u32>;
@group(0) @binding(7) var<storage, read> table: array<vec4f>;

// Workgroups count words along x and images along y: the one division is that of the table.
@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32) {
  let p = params;
  for (var word_at = group.x * 64u + local; word_at < p.stride; word_at += groups.x * 64u) {
    let row = 2u * (word_at % p.period);
    let scale = table[row];
    let offset = table[row + 1u];
    for (var b = group.y; b < p.batch; b += groups.y) {
      let sample = order[group.z * p.total + state.batch_start + b];
      let image = sample - p.first;
      if (image >= p.count) { continue; } // another buffer's (an image before `first` wraps to a huge number)
      if (word_at == 0u) { y[group.z * p.batch + b] = labels[sample]; }
      let bytes = (vec4u(images[image * p.stride + word_at]) >> vec4u(0u, 8u, 16u, 24u)) & vec4u(255u);
      let values = vec4f(bytes) * scale + offset;
      let at = (group.z * p.batch + b) * p.size + word_at * 4u;
      for (var k = 0u; k < 4u; k++) {
        if (word_at * 4u + k < p.size) { x[at + k] = values[k]; }
      }
    }
  }
}
