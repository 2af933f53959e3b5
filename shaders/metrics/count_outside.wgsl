// Counts targets that a loss does not allow: counts[r, first ..] = the number of targets outside of least .. most, then the largest and the
// smallest of them as keys with the order of the numbers (the smallest is inverted, so that both grow). NaN is outside. Compared by bits.
// Whole numbers, so the order of the atomic operations does not matter. Grid-stride loop, 64 invocations a workgroup. Memory-bound.
//   targets [R, size], counts [R, words]
struct Params { size: u32, first: u32, words: u32, least: u32, most: u32 }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> targets: array<u32>;
@group(0) @binding(2) var<storage, read_write> counts: array<atomic<u32>>;

// Larger for larger numbers, and the same for both zeros.
fn key_of(float: u32) -> u32 {
  let bits = select(float, 0u, float == 0x80000000u);
  return select(bits | 0x80000000u, ~bits, (bits & 0x80000000u) != 0u);
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32) {
  let p = params;
  let at = group.z * p.words + p.first;
  let least = key_of(p.least);
  let most = key_of(p.most);
  for (var i = (group.y * groups.x + group.x) * 64u + local; i < p.size; i += groups.y * groups.x * 64u) {
    let key = key_of(targets[group.z * p.size + i]);
    if (key >= least && key <= most) { continue; }
    atomicAdd(&counts[at], 1u);
    atomicMax(&counts[at + 1u], key);
    atomicMax(&counts[at + 2u], ~key);
  }
}
