// The draws of random image layers, for each image of a batch: an affine map, a factor of contrast, or a rectangle to erase. Only integers,
// so that every adapter draws the same bits; sine and cosine by CORDIC (Volder, 1959), because those of WGSL may be off by 2^-11.
//   draws [R, N, 8] i32; R replicas, N images each. Words 0 and 4 of philox(counter (n, id, purpose, step), key = the replica's seed)
//   choose between `low` and `low + span` (excluded), in the units of the kind:
//     flip      2 values: 0 and 1                       vertical from word 0, horizontal from word 1
//     shift     2^-16 pixels (crop: pixels)             rows from word 0, columns from word 1
//     rotation  2^-30 turns, counterclockwise           word 0
//     zoom      2^-29                                   rows from word 0, columns from word 1, or from word 0 if they are linked
//     contrast  2^-22                                   word 0
//     erasing   2^-30 of the image's area, see below    all words
//   A map is (a, b, cx, 0, d, e, cy, 0): output pixel (x, y) is taken from (a X + b Y) / 2 + cx and (d X + e Y) / 2 + cy of the input, with
//   X = 2 x - (out_w - 1) and Y = 2 y - (out_h - 1), so that it turns and scales around the center. a, b, d, e in 2^-29, cx, cy in 2^-16.
// An invocation an image. Compute-bound, but small.
struct Params {
  count: u32, batch: u32, kind: u32, id: u32, purpose: u32,
  height: u32, width: u32, low_y: i32, span_y: u32, low_x: i32, span_x: u32, linked: u32, low_p: u32, span_p: u32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<uniform> state: StepState;
@group(0) @binding(2) var<storage, read> keys: array<vec2u>;
@group(0) @binding(3) var<storage, read_write> draws: array<vec4i>;

const FLIP = 0u;
const SHIFT = 1u;
const CROP = 2u;
const ROTATION = 3u;
const ZOOM = 4u;
const CONTRAST = 5u;

const ONE = 536870912; // 1 in 2^-29

// cos and sin of `turn` / 2^32 turns, in 2^-29; exact at quarter turns, elsewhere off by less than 2^-24.
fn cos_sin(turn: u32) -> vec2i {
  // atan(2^-i) in 2^-32 turns.
  var angles = array<i32, 28>(
    536870912, 316933406, 167458907, 85004756, 42667331, 21354465, 10679838, 5340245, 2670163, 1335087, 667544, 333772, 166886, 83443,
    41722, 20861, 10430, 5215, 2608, 1304, 652, 326, 163, 81, 41, 20, 10, 5,
  );
  var v = vec2i(2 * ONE, 0);
  var rest = i32(turn & 0x3fffffffu); // above a quarter turn's multiple
  if (rest != 0) {
    v = vec2i(652032874, 0); // the steps lengthen it to 2^30
    for (var i = 0u; i < 28u; i++) {
      let step = vec2i(-(v.y >> i), v.x >> i);
      if (rest >= 0) {
        v += step;
        rest -= angles[i];
      } else {
        v -= step;
        rest += angles[i];
      }
    }
  }
  v = (v + 1) >> vec2u(1u);
  switch turn >> 30u {
    case 1u: { return vec2i(-v.y, v.x); }
    case 2u: { return -v; }
    case 3u: { return vec2i(v.y, -v.x); }
    default: { return v; }
  }
}

// Square root of `share` / 2^30, from 0 to 1, in 2^-16: rounded down.
fn root(share: u32) -> u32 {
  if (share >= 0x40000000u) { return 65536u; }
  let square = share << 2u;
  var result = 0u;
  for (var bit = 32768u; bit != 0u; bit >>= 1u) {
    let next = result | bit;
    if (next * next <= square) { result = next; }
  }
  return result;
}

// First and last + 1 of the pixels of an axis that are erased: the side is the root of a share of the area, as in Keras.
fn erased(bits: vec2u, low: i32, span: u32, pixels: u32) -> vec2i {
  let side = root(u32(low) + multiply_high(bits.x, span)) * pixels;
  let begin = multiply_high(bits.y, pixels * 65536u - side);
  return vec2i((vec2u(begin, begin + side) + 65535u) >> vec2u(16u));
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32) {
  let p = params;
  let i = (group.y * groups.x + group.x) * 64u + local;
  if (i >= p.count) { return; }
  let replica = i / p.batch;
  let n = i - replica * p.batch;
  let key = keys[replica];
  let bits = philox(vec4u(n, p.id, p.purpose, state.step), key);
  let y = p.low_y + i32(multiply_high(bits.x, p.span_y));
  let x = p.low_x + i32(multiply_high(select(bits.y, bits.x, p.linked != 0u), p.span_x));
  let middle = vec2i(i32(p.width) - 1, i32(p.height) - 1) * 32768;
  var first = vec4i(ONE, 0, middle.x, 0);
  var second = vec4i(0, ONE, middle.y, 0);
  switch p.kind {
    case FLIP: {
      first.x = ONE * (1 - 2 * x);
      second.y = ONE * (1 - 2 * y);
    }
    case SHIFT: {
      first.z -= x;
      second.z -= y;
    }
    case CROP: { // height and width are those of the output
      first.z += x * 65536;
      second.z += y * 65536;
    }
    case ROTATION: {
      let v = cos_sin(bitcast<u32>(y) << 2u);
      first = vec4i(v.x, -v.y, middle.x, 0);
      second = vec4i(v.y, v.x, middle.y, 0);
    }
    case ZOOM: {
      first.x = x;
      second.y = y;
    }
    case CONTRAST: { first.x = y; }
    default: {
      // Whether the image is erased at all. The probability is drawn, too.
      let chance = philox(vec4u(n | 0x80000000u, p.id, p.purpose, state.step), key);
      let isErased = (chance.y >> 1u) < p.low_p + multiply_high(chance.x, p.span_p);
      let rows = erased(bits.yw, p.low_y, p.span_y, p.height);
      let columns = erased(bits.xz, p.low_x, p.span_x, p.width);
      first = select(vec4i(), vec4i(rows, columns), isErased);
    }
  }
  draws[2u * i] = first;
  draws[2u * i + 1u] = second;
}
