// Third step of a pass that sorts positions by their keys' digits (see src/kernels/gather/sort.ts): moves each position behind those of
// smaller digits and the earlier ones of the same digit.
//   sorted[r, starts[r, digit, strip] + n] = the n-th position p in the strip with digit_of(p) = digit
// An invocation a digit and strip, which writes its positions in their order: a stable sort without atomics. Memory-bound.
//   R replicas: keys [R, count], order [R, count] (not read in the first pass), starts [R, digits, strips], sorted [R, count]
@group(0) @binding(0) var<uniform> params: SortParams;
@group(0) @binding(1) var<storage, read> keys: array<u32>;
@group(0) @binding(2) var<storage, read> order: array<u32>;
@group(0) @binding(3) var<storage, read> starts: array<u32>;
@group(0) @binding(4) var<storage, read_write> sorted: array<u32>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32) {
  let p = params;
  let i = (group.y * groups.x + group.x) * 64u + local;
  if (i >= p.digits * p.strips) { return; }
  let strip = i / p.digits;
  let digit = i - strip * p.digits;
  let base = group.z * p.count;
  var to = base + starts[group.z * p.digits * p.strips + digit * p.strips + strip];
  for (var at = strip * p.strip; at < min((strip + 1u) * p.strip, p.count); at++) {
    let here = position(base, at);
    if (digit_of(keys[base + here]) != digit) { continue; }
    sorted[to] = here;
    to++;
  }
}
