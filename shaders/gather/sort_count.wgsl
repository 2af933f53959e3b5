// First of the three steps of a pass that sorts positions by their keys' digits (see src/kernels/gather/sort.ts): count the digits of
// each strip of positions.
//   counts[r, digit, strip] = number of positions p in the strip with digit_of(p) = digit
// An invocation a digit and strip, neighbors along the digits: they read the same strip. Memory-bound.
//   R replicas: keys [R, count], order [R, count] (not read in the first pass), counts [R, digits, strips]
@group(0) @binding(0) var<uniform> params: SortParams;
@group(0) @binding(1) var<storage, read> keys: array<u32>;
@group(0) @binding(2) var<storage, read> order: array<u32>;
@group(0) @binding(3) var<storage, read_write> counts: array<u32>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32) {
  let p = params;
  let i = (group.y * groups.x + group.x) * 64u + local;
  if (i >= p.digits * p.strips) { return; }
  let strip = i / p.digits;
  let digit = i - strip * p.digits;
  let base = group.z * p.count;
  var found = 0u;
  for (var at = strip * p.strip; at < min((strip + 1u) * p.strip, p.count); at++) {
    found += select(0u, 1u, digit_of(keys[base + position(base, at)]) == digit);
  }
  counts[group.z * p.digits * p.strips + digit * p.strips + strip] = found;
}
