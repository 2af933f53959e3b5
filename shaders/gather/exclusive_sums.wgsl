// Exclusive prefix sums of u32 in place: counts[r, i] = sum of counts[r, j] over j < i. Whole numbers, exact up to 2^32.
// A workgroup a replica: each of its invocations adds up a range, and begins its range with the sum of those before. Memory-bound.
//   counts [R, size]
struct Params { size: u32 }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> counts: array<u32>;

var<workgroup> sums: array<u32, 256>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) local: u32) {
  let range = (params.size + 255u) / 256u;
  let base = group.z * params.size;
  let first = min(local * range, params.size);
  let last = min(first + range, params.size);
  var own = 0u;
  for (var i = first; i < last; i++) { own += counts[base + i]; }
  sums[local] = own;
  // The sum of those at most 2^n - 1 places before, for n = 0, 1 .. 8.
  for (var distance = 1u; distance < 256u; distance *= 2u) {
    workgroupBarrier();
    var before = 0u;
    if (local >= distance) { before = sums[local - distance]; }
    workgroupBarrier();
    sums[local] += before;
  }
  var sum = sums[local] - own;
  for (var i = first; i < last; i++) {
    let count = counts[base + i];
    counts[base + i] = sum;
    sum += count;
  }
}
