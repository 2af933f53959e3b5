import { formatValue } from '../base/check.ts';
import { ArgumentError } from '../base/errors.ts';
import { type LoggedMetrics, MonitoredMetric } from '../training/callbacks/monitor.ts';
import type { EpochLogs } from '../training/index.ts';

const SUBJECT = 'ModelCheckpoint: path';
/** Sign, zeros before the number, width, digits and kind of Python's formats for numbers. */
const FORMAT = /^([+-]?)(0?)(\d*)(?:\.(\d+))?([dfeg%]?)$/;

/** A path with metrics of the epoch, such as `model-{epoch:02d}-{val_loss:.2f}`: Python's formats, names of Keras or tilegrad. */
export class MetricPath {
  private readonly segments: readonly (string | { metric: MonitoredMetric; format: string })[];

  /** @throws ArgumentError for braces that contain anything else */
  constructor(private readonly path: string) {
    // Splitting by a group makes every second part one in braces; {{ and }} are literal braces.
    this.segments = path.split(/(\{\{|\}\}|\{[^{}]*\})/).map((part, i) => {
      if (i % 2 === 0) return part;
      if (part === '{{' || part === '}}') return part[0]!;
      const [, name, format = ''] = /^\{(\w+)(?::(.*))?\}$/.exec(part) ?? [];
      if (name === undefined || !FORMAT.test(format)) {
        throw new ArgumentError(
          `${SUBJECT}: ${formatValue(part)} is not a metric such as {epoch:02d}, {val_loss:.2f} or {loss:.3e}; ` +
            'double braces that are part of the name',
        );
      }
      return { metric: new MonitoredMetric(SUBJECT, name), format };
    });
  }

  /** @throws ArgumentError for a metric that no epoch will have, or an integer format for another number */
  begin({ monitored, added }: LoggedMetrics): void {
    // Every epoch also has these, which no callback monitors.
    const known = [...new Set(['epoch', ...monitored, 'seconds', 'samplesPerSecond'])];
    for (const part of this.segments) {
      if (typeof part === 'string' || !part.metric.begin({ monitored: known, added })) continue;
      this.formatMetric(part.metric.name === 'epoch' ? 1 : 0.5, part);
    }
  }

  /** Called when training is resumed: the metrics were checked when it started. */
  resume(): void {
    for (const part of this.segments) if (typeof part !== 'string') part.metric.isOptional = true;
  }

  /** Returns the path for an epoch, with `NA` for a metric that callbacks add only in other epochs. @throws ArgumentError */
  format(logs: EpochLogs): string {
    return this.segments
      .map((part) => {
        if (typeof part === 'string') return part;
        const value = part.metric.read(logs);
        return value === null ? 'NA' : this.formatMetric(value, part);
      })
      .join('');
  }

  private formatMetric(value: number, { metric, format }: { metric: MonitoredMetric; format: string }): string {
    const [, sign, zeros, width, digits, kind] = FORMAT.exec(format)!;
    if (kind === 'd' && !Number.isInteger(value)) {
      throw new ArgumentError(
        `${SUBJECT}: {${metric.name}:${format}} in ${formatValue(this.path)} is for whole numbers; use f, as .2f`,
      );
    }
    const text = formatNumber(Math.abs(value), kind!, digits === undefined ? undefined : Number(digits));
    const signText = value < 0 ? '-' : sign === '+' ? '+' : '';
    const fill = Math.max(0, Number(width) - signText.length - text.length);
    return zeros ? signText + '0'.repeat(fill) + text : ' '.repeat(fill) + signText + text;
  }
}

/** Formats a number >= 0 as Python does; without kind and digits, as JavaScript does. */
function formatNumber(value: number, kind: string, digits?: number): string {
  if (!Number.isFinite(value)) return Number.isNaN(value) ? 'nan' : 'inf';
  if (kind === 'd' || (kind === '' && digits === undefined)) return String(value);
  if (kind === 'f') return value.toFixed(digits ?? 6);
  if (kind === '%') return `${(100 * value).toFixed(digits ?? 6)}%`;
  if (kind === 'e') return exponential(value, digits ?? 6);
  // g: significant digits without trailing zeros, and a power of ten only if the number is far from one.
  const significant = Math.max(1, digits ?? 6);
  const power = value === 0 ? 0 : Number(value.toExponential(significant - 1).split('e')[1]);
  const isNear = power >= -4 && power < significant;
  return isNear
    ? withoutZeros(value.toFixed(significant - 1 - power))
    : exponential(value, significant - 1).replace(/^[^e]+/, withoutZeros);
}

/** Python's power of ten has at least two digits. */
const exponential = (value: number, digits: number) => value.toExponential(digits).replace(/e([+-])(\d)$/, 'e$10$2');
const withoutZeros = (text: string) => (text.includes('.') ? text.replace(/\.?0+$/, '') : text);
