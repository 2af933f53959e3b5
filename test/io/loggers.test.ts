import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { ArgumentError, CSVLogger, type EpochLogs, JSONLLogger } from '../../src/node.ts';

test('CSVLogger: appends to a file with Windows line ends', () => {
  const folder = mkdtempSync(join(tmpdir(), 'tilegrad-loggers-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const path = join(folder, 'log.csv');
  writeFileSync(path, 'epoch,valLoss\r\n1,0.5\r\n');
  const logger = new CSVLogger(path, { append: true });
  logger.onTrainBegin();
  logger.onEpochEnd({ epoch: 2, valLoss: 0.25 } as EpochLogs);
  expect(readFileSync(path, 'utf8')).toBe('epoch,valLoss\r\n1,0.5\r\n2,0.25\n');
});

test.each([
  ['CSVLogger', CSVLogger],
  ['JSONLLogger', JSONLLogger],
])('%s: takes only an object of options', (name, Logger) => {
  for (const options of [null, 'append']) {
    const make = () => new Logger('x', options as never);
    expect(make).toThrow(ArgumentError);
    expect(make).toThrow(`${name}: options must be an object, but are ${JSON.stringify(options)}`);
  }
});
