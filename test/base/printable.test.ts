import { expect, test, vi } from 'vitest';
import { say } from '../../scripts/setup/messages.mjs';
import { DataError, TilegradError } from '../../src/base/errors.ts';
import { toPrintable, toPrintableJson, toPrintableLine } from '../../src/base/printable.ts';
import { Dense, decodeSafetensors, encodeSafetensors, Sequential } from '../../src/node.ts';

const all = Array.from({ length: 0x10000 }, (_, code) => String.fromCharCode(code));
/** Unicode's own classes, less those that letters and emoji are joined with (ZWJ, ZWNJ, soft hyphen and the like). */
const acts = (character: string) =>
  /[\p{Cc}\p{Cs}\p{Zl}\p{Zp}\p{Bidi_Control}]/u.test(character) || /[\u200b\u2060-\u2069\ufeff]/.test(character);

test('toPrintable: escapes everything that acts on a terminal, and changes nothing else', () => {
  const wrong = all.filter((character) => {
    const shown = toPrintableLine(character);
    const isRight = acts(character) ? /^\\([nrt]|x..|u....)$/.test(shown) : shown === character;
    return !isRight || toPrintable(character) !== ('\n\t'.includes(character) ? character : shown);
  });
  expect(wrong.map((character) => character.charCodeAt(0).toString(16))).toEqual([]);
  expect(all.filter(acts).length).toBeGreaterThan(2048 + 65 + 20); // surrogates, controls, directions
});

test.each([
  ['\u001b[2J\u001b]0;title\u0007', '\\x1b[2J\\x1b]0;title\\x07'],
  ['\u009b31m', '\\x9b31m'],
  ['safe\u202etxt.exe', 'safe\\u202etxt.exe'],
  ['ok\rerror', 'ok\\rerror'],
  ['世 é 👩‍👩‍👧 \ud800', '世 é 👩‍👩‍👧 \\ud800'],
])('%j', (text, shown) => {
  expect(toPrintable(text)).toBe(shown);
});

test('toPrintableJson: parses to the same value as before', () => {
  const value = { 'a\u009b': ['\u202e\n\u007f\ud800', 1] };
  const json = toPrintableJson(JSON.stringify(value, null, 2));
  expect(JSON.parse(json)).toEqual(value);
  expect(json).not.toMatch(/[\u007f\u009b\u202e]/);
});

test('errors: messages have no characters that act on a terminal', () => {
  expect(new DataError('a\u001b[31m\nb').message).toBe('a\\x1b[31m\nb');
  expect(new TilegradError('\u202e').message).toBe('\\u202e');
});

const hostile = 'a\u001b[2J\u009b31m\u202e\nb';

test('summary, errors: escape names from a model file', () => {
  const model = new Sequential([new Dense({ units: 1, inputShape: [1], name: hostile })], hostile);
  expect(model.summary()).toContain('a\\x1b[2J\\x9b31m\\u202e\\nb (Dense)');
  expect(model.summary()).not.toMatch(/(?!\n)[\p{Cc}\u202e]/u);
  const bytes = encodeSafetensors([[hostile, { shape: [1], data: Float32Array.of(1) }]]);
  expect(() => decodeSafetensors(bytes.slice(0, -1), hostile)).toThrow(/^a\\x1b\[2J\\x9b31m\\u202e\nb is cut short/);
});

test('set-up: escapes what it prints', () => {
  const error = vi.spyOn(console, 'error').mockImplementation(() => {});
  say(hostile);
  expect(error.mock.calls).toEqual([['[set-up] a\\u001b[2J?31m?\n[set-up] b']]);
  error.mockRestore();
});
