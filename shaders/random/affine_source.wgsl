// The source position of an output pixel of affine_sample, also used by its gradient. In integers, so that every adapter reads the same
// pixels with the same weights. Maps: see augment_draws.wgsl.
struct Params {
  images: u32, in_h: i32, in_w: i32, channels: u32, out_h: u32, out_w: u32, fill: f32,
  first: u32, count: u32, // of the gradient: output pixels of each image
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> maps: array<vec4i>;

override NEAREST = 0u;
override FILL = 0u; // constant, nearest, reflect, wrap

// (m.x X + m.y Y) / 2 + m.z in 2^-16 pixels. The products are taken of 16 bits at a time: within 31 bits for images of up to 8192 x 8192.
fn position(m: vec4i, X: i32, Y: i32) -> i32 {
  let high = (m.x >> 16u) * X + (m.y >> 16u) * Y;
  let low = (m.x & 0xffff) * X + (m.y & 0xffff) * Y;
  return m.z + high * 4 + ((low + 8192) >> 14u);
}

// The pixel of an axis for index i, which may be outside; -1 for the fill value.
fn pixel(i: i32, size: i32) -> i32 {
  if (i >= 0 && i < size) { return i; }
  if (FILL == 0u) { return -1; }
  if (FILL == 1u) { return clamp(i, 0, size - 1); }
  let period = select(size, 2 * size, FILL == 2u);
  var at = i % period;
  at = select(at, at + period, at < 0);
  return select(at, period - 1 - at, at >= size);
}

// The two pixels of an axis around a position, and the weight of the second; equal if the position is on the first.
struct Taps { low: i32, high: i32, part: f32 }

fn taps(at: i32, size: i32) -> Taps {
  if (NEAREST != 0u) {
    let only = pixel((at + 32768) >> 16u, size);
    return Taps(only, only, 0.0);
  }
  let whole = at >> 16u;
  let low = pixel(whole, size);
  let part = at & 0xffff;
  if (part == 0) { return Taps(low, low, 0.0); }
  return Taps(low, pixel(whole + 1, size), f32(part) / 65536.0);
}

struct Source { image: u32, y: Taps, x: Taps }

// The source of output pixel o, counted over all images.
fn source_of(o: u32) -> Source {
  let p = params;
  let row = o / p.out_w;
  let image = row / p.out_h;
  let X = 2 * i32(o - row * p.out_w) + 1 - i32(p.out_w);
  let Y = 2 * i32(row - image * p.out_h) + 1 - i32(p.out_h);
  let y = position(maps[2u * image + 1u], X, Y);
  let x = position(maps[2u * image], X, Y);
  return Source(image, taps(y, p.in_h), taps(x, p.in_w));
}
