// Tests of a float by its bits, for values that may be NaN. WGSL lets a compiler assume that NaN and infinity do not occur, as Metal's fast
// math does: `x <= 0.0` may become `!(x > 0.0)`, which is true for NaN, and `x != x` may become false. Integer comparisons are compiled as
// written. src/kernels/float-bits.ts replaces the types. If both would do, signed integers are compared, because CPUs have no vector
// comparison of unsigned ones.

fn is_nan(x: Value) -> Truth {
  return (bitcast<Signed>(x) & Signed(0x7fffffff)) > Signed(0x7f800000);
}

// x == 0: 0 or -0.
fn is_zero(x: Value) -> Truth {
  return (bitcast<Index>(x) & Index(0x7fffffffu)) == Index();
}

// x > 0: bits from 1 to those of infinity. Bits below wrap to huge numbers.
fn is_positive(x: Value) -> Truth {
  return bitcast<Index>(x) - Index(1u) < Index(0x7f800000u);
}

// x < 0: the same with the sign bit.
fn is_negative(x: Value) -> Truth {
  return bitcast<Index>(x) - Index(0x80000001u) < Index(0x7f800000u);
}

// x <= 0: from -0 to -infinity, whose signed bits are the smallest of all, and 0.
fn is_at_most_zero(x: Value) -> Truth {
  let bits = bitcast<Signed>(x);
  return (bits < Signed(-0x7fffff)) | (bits == Signed());
}
