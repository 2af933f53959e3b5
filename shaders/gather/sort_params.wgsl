// Parameters and functions of the sorting kernels; put after them.
struct SortParams {
  count: u32, strip: u32, strips: u32, // positions, positions in a strip, strips
  digits: u32, shift: u32,             // values of a digit (a power of two), and the bit it begins at
  largest: u32, first: u32,            // keys above `largest` count as `largest`; 1 in the first pass, where `order` is not read
}

fn digit_of(key: u32) -> u32 {
  return (min(key, params.largest) >> params.shift) & (params.digits - 1u);
}

// The position at index `at` of a replica, whose arrays begin at `base`.
fn position(base: u32, at: u32) -> u32 {
  if (params.first != 0u) { return at; }
  return order[base + at];
}
