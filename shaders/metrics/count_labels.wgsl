// Counts labels that do not exclude each other: each output is above the threshold or not, and each target 0 or 1.
//   counts[r, first ..]: hits, then for each label the counts of (actual, predicted) = (0, 0), (0, 1), (1, 0), (1, 1)
// in pairs of a low and a high word, as an epoch of images may have more than 2^32 pixels. A hit is a target of exactly 0 or 1 that
// is predicted, as in Keras's BinaryAccuracy; elsewhere a target above a half counts as 1. A NaN output is not counted.
// Whole numbers, so the order of the atomic additions does not matter. One label of 256 rows an invocation. Memory-bound.
//   output, goal [R, rows, labels], counts [R, words]
struct Params { rows: u32, labels: u32, threshold: f32, first: u32, words: u32 }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> output: array<f32>;
@group(0) @binding(2) var<storage, read> goal: array<f32>;
@group(0) @binding(3) var<storage, read_write> counts: array<atomic<u32>>;

const STRIP = 256u;

// Adds n to a pair of words; the invocation whose addition wraps the low word adds the carry.
fn add(pair: u32, n: u32) {
  if (n == 0u) { return; }
  let old = atomicAdd(&counts[pair], n);
  if (old > 0xffffffffu - n) { atomicAdd(&counts[pair + 1u], 1u); }
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32) {
  let p = params;
  let i = (group.y * groups.x + group.x) * 64u + local;
  let label = i % p.labels;
  let begin = (i / p.labels) * STRIP;
  if (begin >= p.rows) { return; }
  var hits = 0u;
  var cells = vec4u();
  for (var row = begin; row < min(begin + STRIP, p.rows); row++) {
    let at = (group.z * p.rows + row) * p.labels + label;
    let y = output[at];
    if (is_nan(y)) { continue; }
    let t = goal[at];
    let predicted = select(0u, 1u, y > p.threshold);
    hits += select(0u, 1u, t == f32(predicted));
    cells[select(0u, 2u, t > 0.5) + predicted] += 1u;
  }
  let first = group.z * p.words + p.first;
  add(first, hits);
  for (var cell = 0u; cell < 4u; cell++) { add(first + 2u + 8u * label + 2u * cell, cells[cell]); }
}
