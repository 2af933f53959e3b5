// log(1 + e) and e^x - 1, exact where 1 + e rounds e away and where e^x - 1 cancels. Put after kernels that use them.

// log(1 + e) for -1/2 <= e <= 1, as 2 artanh(e / (2 + e)) by its series: relative error at most 2e-9, before rounding.
fn log1p(e: f32) -> f32 {
  let s = e / (2.0 + e);
  let q = s * s;
  let series = 0.3333333333 + q * (0.2 + q * (0.1428571429 + q * (0.1111111111 +
    q * (0.0909090909 + q * (0.0769230769 + q * 0.0666666667)))));
  return 2.0 * s * (1.0 + q * series);
}

// e^x - 1 for x <= 0: from -1/2 on by its series, relative error 1e-8 at -1/2, before rounding.
fn expm1(x: f32) -> f32 {
  let series = 1.0 + x * (0.5 + x * (0.1666666667 + x * (0.04166666667 + x * (0.008333333333 +
    x * (0.001388888889 + x * (1.984126984e-4 + x * 2.48015873e-5))))));
  return select(exp(x) - 1.0, x * series, x > -0.5);
}
