import { unzipSync } from 'fflate';
import { expect, test } from 'vitest';
import { buildKerasModel } from '../../../src/io/keras/build-model.ts';
import { readModelConfig } from '../../../src/io/keras/config.ts';
import { Model, TilegradError } from '../../../src/node.ts';
import { kerasModels, unpacked } from '../../golden/files/files.ts';
import { hostileValues, pathsIn, withValueAt } from '../../support/hostile-json.ts';
import { random } from '../../support/random.ts';

/** All places and values would take minutes: the distance of the places that are tested, and the number of values for each. */
const [STEP, TRIED] = process.env.LONG === '1' ? [1, hostileValues.length] : [5, 3];

const configOf = (name: 'sequential' | 'branches' | 'nested'): unknown => {
  const files = unzipSync(unpacked(kerasModels[name].files['model.keras']));
  return JSON.parse(new TextDecoder().decode(files['config.json']!));
};

test.each(['sequential', 'branches', 'nested'] as const)(
  'decodeKeras: any value in any place of a configuration gives a model or a typed error: %s',
  (name) => {
    const config = configOf(name);
    const draw = random(name.length);
    const untyped: string[] = [];
    const places = [...pathsIn(config)].filter((_, i) => i % STEP === 0);
    for (const path of places) {
      const from = draw.integer(0, hostileValues.length - 1);
      for (let i = 0; i < TRIED; i++) {
        const value = hostileValues[(from + i) % hostileValues.length];
        try {
          const model = buildKerasModel(readModelConfig(withValueAt(config, path, value), 'm.keras'), {}, 'm.keras');
          expect(model).toBeInstanceOf(Model);
        } catch (error) {
          if (error instanceof TilegradError) expect(error.message.length).toBeLessThan(12_000);
          else untyped.push(`${path.join('.')} = ${JSON.stringify(value)?.slice(0, 60)}: ${error}`);
        }
      }
    }
    expect(untyped).toEqual([]);
  },
);
