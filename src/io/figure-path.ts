import { formatValue } from '../base/check.ts';
import { ArgumentError } from '../base/errors.ts';
import { type LoggedMetrics, MonitoredMetric } from '../training/callbacks/monitor.ts';
import type { EpochLogs } from '../training/index.ts';

const WHO = 'ModelCheckpoint: path';
/** Sign, zeros before the number, width, digits and kind of Python's formats for numbers. */
const FORMAT = /^([+-]?)(0?)(\d*)(?:\.(\d+))?([dfeg%]?)$/;

/** A path that names figures of the epoch, such as `model-{epoch:02d}-{val_loss:.2f}`: Python's formats, Keras's names or ours. */
export class FigurePath {
  private readonly parts: readonly (string | { figure: MonitoredMetric; format: string })[];

  /** @throws ArgumentError for braces that hold something else */
  constructor(private readonly path: string) {
    // Split by a group, every second part is one in braces; {{ and }} are braces themselves.
    this.parts = path.split(/(\{\{|\}\}|\{[^{}]*\})/).map((part, i) => {
      if (i % 2 === 0) return part;
      if (part === '{{' || part === '}}') return part[0]!;
      const [, name, format = ''] = /^\{(\w+)(?::(.*))?\}$/.exec(part) ?? [];
      if (name === undefined || !FORMAT.test(format)) {
        throw new ArgumentError(
          `${WHO}: ${formatValue(part)} is no figure such as {epoch:02d}, {val_loss:.2f} or {loss:.3e}; ` +
            'double braces that are part of the name',
        );
      }
      return { figure: new MonitoredMetric(WHO, name), format };
    });
  }

  /** @throws ArgumentError for a figure that no epoch will have, or a whole number asked of another */
  begin({ monitored, added }: LoggedMetrics): void {
    // What every epoch has, and no callback would monitor.
    const known = [...new Set(['epoch', ...monitored, 'seconds', 'samplesPerSecond'])];
    for (const part of this.parts) {
      if (typeof part === 'string' || !part.figure.begin({ monitored: known, added })) continue;
      this.format(part.figure.name === 'epoch' ? 1 : 0.5, part);
    }
  }

  /** Where training is taken up again: that there are such figures was seen before. */
  resume(): void {
    for (const part of this.parts) if (typeof part !== 'string') part.figure.isOptional = true;
  }

  /** The path of an epoch; `NA` stands for a figure that callbacks add in other epochs. @throws ArgumentError */
  fill(logs: EpochLogs): string {
    return this.parts
      .map((part) => {
        if (typeof part === 'string') return part;
        const value = part.figure.read(logs);
        return value === null ? 'NA' : this.format(value, part);
      })
      .join('');
  }

  private format(value: number, { figure, format }: { figure: MonitoredMetric; format: string }): string {
    const [, sign, zeros, width, digits, kind] = FORMAT.exec(format)!;
    if (kind === 'd' && !Number.isInteger(value)) {
      throw new ArgumentError(
        `${WHO}: {${figure.name}:${format}} in ${formatValue(this.path)} is for whole numbers; use f, as .2f`,
      );
    }
    const text = formatted(Math.abs(value), kind!, digits === undefined ? undefined : Number(digits));
    const before = value < 0 ? '-' : sign === '+' ? '+' : '';
    const fill = Math.max(0, Number(width) - before.length - text.length);
    return zeros ? before + '0'.repeat(fill) + text : ' '.repeat(fill) + before + text;
  }
}

/** A number from 0 up, as Python formats it; without kind and digits, as JavaScript does. */
function formatted(value: number, kind: string, digits?: number): string {
  if (!Number.isFinite(value)) return Number.isNaN(value) ? 'nan' : 'inf';
  if (kind === 'd' || (kind === '' && digits === undefined)) return String(value);
  if (kind === 'f') return value.toFixed(digits ?? 6);
  if (kind === '%') return `${(100 * value).toFixed(digits ?? 6)}%`;
  if (kind === 'e') return exponential(value, digits ?? 6);
  // g: significant digits, without zeros at the end, and a power of ten only where the number is far from one.
  const significant = Math.max(1, digits ?? 6);
  const power = value === 0 ? 0 : Number(value.toExponential(significant - 1).split('e')[1]);
  const isNear = power >= -4 && power < significant;
  return isNear
    ? withoutZeros(value.toFixed(significant - 1 - power))
    : exponential(value, significant - 1).replace(/^[^e]+/, withoutZeros);
}

/** Python's power of ten has two digits at least. */
const exponential = (value: number, digits: number) => value.toExponential(digits).replace(/e([+-])(\d)$/, 'e$10$2');
const withoutZeros = (text: string) => (text.includes('.') ? text.replace(/\.?0+$/, '') : text);
