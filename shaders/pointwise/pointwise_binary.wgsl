// y = f(a, b) element by element, four an invocation; the expression of f comes from a row of src/kernels/pointwise/pointwise-table.ts.
// Operands, which may repeat, come from pointwise_operands.wgsl; comparisons take integers, too. Memory-bound.   y [size]
@group(0) @binding(3) var<storage, read_write> y4: array<vec4f>;

fn f(a: Operand, b: Operand) -> f32 {
  return FORWARD;
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32) {
  let stride = groups.y * groups.x * 64u;
  for (var i = (group.y * groups.x + group.x) * 64u + local; i * 4u < params.size; i += stride) {
    let a = left(i);
    let b = right(i);
    var value = vec4f(f(a.x, b.x), f(a.y, b.y), f(a.z, b.z), f(a.w, b.w));
    // The bytes of the buffer past the end of the array must not change.
    if (i * 4u + 4u > params.size) {
      value = select(y4[i], value, vec4u(0u, 1u, 2u, 3u) + 4u * i < vec4u(params.size));
    }
    y4[i] = value;
  }
}
