import { formatValue } from '../../base/check.ts';
import { ArgumentError } from '../../base/errors.ts';
import { initializerConfig } from '../initializers/initializers.ts';

/** A layer's options as JSON. */
export type LayerConfig = Record<string, unknown>;

/**
 * Options as JSON, without undefined ones and with tilegrad's initializers by name.
 * @param subject layer, for the message
 * @throws ArgumentError for a function, a number that is not finite, and an object that is neither plain nor a list
 */
export function toJsonOptions(subject: string, options: object): LayerConfig {
  const entries = Object.entries(options).filter(([, value]) => value !== undefined);
  return Object.fromEntries(entries.map(([key, value]) => [key, toJsonValue(`${subject}: ${key}`, value)]));
}

function toJsonValue(subject: string, value: unknown): unknown {
  if (value === null || typeof value === 'string' || typeof value === 'boolean' || Number.isFinite(value)) return value;
  if (Array.isArray(value)) return value.map((item) => toJsonValue(subject, item));
  if (typeof value === 'function') {
    const config = initializerConfig(value);
    if (config) return config;
    throw new ArgumentError(
      `${subject} is a function, which a file cannot hold. Use one of tilegrad's initializers, or use saveWeights and create the model in code`,
    );
  }
  if (typeof value === 'object' && Object.getPrototypeOf(value) === Object.prototype)
    return toJsonOptions(subject, value);
  throw new ArgumentError(
    `${subject} is ${formatValue(value)}, which a file cannot hold; use saveWeights and create the model in code`,
  );
}
