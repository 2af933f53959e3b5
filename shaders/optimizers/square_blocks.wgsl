// First step of clipping by norm: the sum of squares of each block of the flat gradients, an invocation a block; 0 for blocks without a
// segment, whose gradients may be from an earlier step. Memory-bound.
//   R replicas: flat: the gradients, table [R, blocks] (first element, count, -, -), segment [blocks] (0xffffffff: none), y [R, blocks]
struct Params { blocks: u32 }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> flat: array<vec4f>;
@group(0) @binding(2) var<storage, read> table: array<vec4u>;
@group(0) @binding(3) var<storage, read> segment: array<u32>;
@group(0) @binding(4) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32) {
  let block = (group.y * groups.x + group.x) * 64u + local;
  if (block >= params.blocks) { return; }
  let entry = table[group.z * params.blocks + block];
  var sum = vec4f();
  if (segment[block] != 0xffffffffu) {
    let end = entry.x + entry.y;
    for (var at = entry.x; at < end; at += 4u) {
      let g = load_vec4(at, end);
      sum += g * g;
    }
  }
  y[group.z * params.blocks + block] = dot(sum, vec4f(1.0));
}
