/** A number with `digits` significant digits, or with all digits before the decimal point if there are more. */
export const formatDigits = (value: number, digits: number): string =>
  value >= 10 ** (digits - 1) ? String(Math.round(value)) : value.toPrecision(digits);

/** `0.0123 ms`, `12.3 ms`. */
export const milliseconds = (ms: number): string => `${formatDigits(ms, 3)} ms`;

/** Three digits and room for a unit: `12.3 G`, `16 `. */
export function amount(value: number): string {
  const power = value < 1000 ? 0 : Math.min(4, Math.floor(Math.log10(value) / 3 + 1e-9));
  const scaled = value / 1000 ** power;
  return `${power === 0 ? Math.round(scaled) : formatDigits(scaled, 3)} ${['', 'k', 'M', 'G', 'T'][power]}`;
}
