// The penalties l1 sum|w| + l2 sum w^2 of each block of a range of the flat buffers, an invocation a block. Blocks without a penalty
// are not read, so that a NaN weight counts only if it has a penalty. Memory-bound.
//   R replicas: flat: the weights, table [R, entries] (first element, count, l1, l2), y [R, blocks]; the range begins with entry `first`
struct Params { blocks: u32, first: u32, entries: u32 }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> flat: array<vec4f>;
@group(0) @binding(2) var<storage, read> table: array<vec4u>;
@group(0) @binding(3) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32) {
  let block = (group.y * groups.x + group.x) * 64u + local;
  if (block >= params.blocks) { return; }
  let entry = table[group.z * params.entries + params.first + block];
  let l1 = bitcast<f32>(entry.z);
  let l2 = bitcast<f32>(entry.w);
  var sum = 0.0;
  if (l1 != 0.0 || l2 != 0.0) {
    var absolute = vec4f();
    var square = vec4f();
    let end = entry.x + entry.y;
    for (var at = entry.x; at < end; at += 4u) {
      let w = load_vec4(at, end);
      absolute += abs(w);
      square += w * w;
    }
    sum = l1 * dot(absolute, vec4f(1.0)) + l2 * dot(square, vec4f(1.0));
  }
  y[group.z * params.blocks + block] = sum;
}
