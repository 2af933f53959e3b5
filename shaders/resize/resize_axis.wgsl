// The source pixels of a resized axis; shared by resize and its gradient. Pixels are areas with centers at half a
// pixel, so pixel o of `size` is at (o + 1/2) * length / size - 1/2 among the `length` source pixels, as in TensorFlow 2.
// In integers, so that every position is exact: the fraction counts in 1 / (2 * size).
struct Source { low: u32, high: u32, low_weight: f32, high_weight: f32 }

fn source(o: u32, length: u32, size: u32, nearest: u32) -> Source {
  let center = (2u * o + 1u) * length;
  if (nearest != 0u) {
    let at = center / (2u * size);
    return Source(at, at, 1.0, 0.0);
  }
  if (center <= size) { return Source(0u, 0u, 1.0, 0.0); } // before the first center
  let low = (center - size) / (2u * size);
  let part = center - size - low * 2u * size;
  if (part == 0u || low + 1u >= length) { // on a center, or after the last one
    let at = min(low, length - 1u);
    return Source(at, at, 1.0, 0.0);
  }
  let unit = f32(2u * size);
  return Source(low, low + 1u, f32(2u * size - part) / unit, f32(part) / unit);
}
