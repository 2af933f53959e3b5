// What is known of a float by its bits. WGSL lets a compiler assume that NaN and infinity do not occur, as Metal's fast math does: then
// `x <= 0.0` may become `!(x > 0.0)`, which is true for NaN, and `x != x` may become false. Integers are compared as written, so these
// hold everywhere: they decide what becomes of a value that may be NaN. src/kernels/float-bits.ts puts in the types.
// Where either would do, signed integers are compared: processors have no instruction for unsigned ones.

fn is_nan(x: Value) -> Truth {
  return (bitcast<Signed>(x) & Signed(0x7fffffff)) > Signed(0x7f800000);
}

// x == 0: 0 or -0.
fn is_zero(x: Value) -> Truth {
  return (bitcast<Index>(x) & Index(0x7fffffffu)) == Index();
}

// x > 0: the bits 1 to those of infinity. What is below wraps.
fn is_positive(x: Value) -> Truth {
  return bitcast<Index>(x) - Index(1u) < Index(0x7f800000u);
}

// x < 0: the same with the sign.
fn is_negative(x: Value) -> Truth {
  return bitcast<Index>(x) - Index(0x80000001u) < Index(0x7f800000u);
}

// x <= 0: -0 to -infinity, whose bits are the least of all with their sign, and 0.
fn is_at_most_zero(x: Value) -> Truth {
  let bits = bitcast<Signed>(x);
  return (bits < Signed(-0x7fffff)) | (bits == Signed());
}
