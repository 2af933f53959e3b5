// The gradient of y = f(a, b) for one operand, dy times its derivative, four elements an invocation; the expression of the
// derivative comes from a row of src/kernels/pointwise/pointwise-table.ts, with a, b and y, and so does the rule of the product (see
// pointwise_unary_grad.wgsl). Operands, which may repeat, come from pointwise_operands.wgsl. Memory-bound.   y, dy and d [size]
@group(0) @binding(3) var<storage, read> y4: array<vec4f>;
@group(0) @binding(4) var<storage, read> dy4: array<vec4f>;
@group(0) @binding(5) var<storage, read_write> d4: array<vec4f>;

fn gradient(a: f32, b: f32, y: f32, dy: f32) -> f32 {
  let slope = DERIVATIVE;
  return PRODUCT;
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32) {
  let stride = groups.y * groups.x * 64u;
  for (var i = (group.y * groups.x + group.x) * 64u + local; i * 4u < params.size; i += stride) {
    let a = left(i);
    let b = right(i);
    let y = y4[i];
    let dy = dy4[i];
    var value = vec4f(
      gradient(a.x, b.x, y.x, dy.x), gradient(a.y, b.y, y.y, dy.y),
      gradient(a.z, b.z, y.z, dy.z), gradient(a.w, b.w, y.w, dy.w),
    );
    // The bytes of the buffer past the end of the array must not change.
    if (i * 4u + 4u > params.size) {
      value = select(d4[i], value, vec4u(0u, 1u, 2u, 3u) + 4u * i < vec4u(params.size));
    }
    d4[i] = value;
  }
}
