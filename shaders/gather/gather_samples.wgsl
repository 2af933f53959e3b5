// A batch from samples of 32-bit words, bit for bit: y[r, b, i] = samples[order[r, batch_start + b], i], whole vectors of
// words. Samples may be split over several buffers if one would exceed the adapter's binding limit: each dispatch copies
// the samples first .. first + count - 1. Memory-bound.
//   samples [count, size], order [R, total], y [R, batch, size], sizes in vectors of words
struct Params { size: u32, batch: u32, total: u32, first: u32, count: u32 }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<uniform> state: StepState;
@group(0) @binding(2) var<storage, read> samples: array<Index>;
@group(0) @binding(3) var<storage, read> order: array<u32>;
@group(0) @binding(4) var<storage, read_write> y: array<Index>;

// Words along x, samples along y, so that no invocation divides; eight by eight, so that short samples waste few lanes.
@compute @workgroup_size(8, 8)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_id) local: vec3u) {
  let p = params;
  for (var b = group.y * 8u + local.y; b < p.batch; b += groups.y * 8u) {
    let sample = order[group.z * p.total + state.batch_start + b] - p.first;
    if (sample >= p.count) { continue; } // in another buffer (a sample before `first` wraps to a huge number)
    for (var i = group.x * 8u + local.x; i < p.size; i += groups.x * 8u) {
      y[(group.z * p.batch + b) * p.size + i] = samples[sample * p.size + i];
    }
  }
}
