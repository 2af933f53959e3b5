// Softmax's sum of exponentials without one class at the maximum, and the logarithm of the whole sum. Put after kernels that
// count the classes at the maximum (`ties`) and add up the exponentials of the others (`below`); NaN stays NaN.
fn beyond_top(ties: u32, below: f32) -> f32 {
  return (f32(ties) - 1.0) + below;
}

fn log_of_sum(ties: u32, below: f32) -> f32 {
  let rest = beyond_top(ties, below);
  return select(log(f32(ties) + below), log1p(rest), rest <= 1.0);
}
